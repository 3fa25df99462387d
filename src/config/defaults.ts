/** Every default of postern.yaml, in its words and its shape. */
export const DEFAULTS = deepFreeze({
  server: {
    listen: '0.0.0.0:8080',
    trusted_proxies: [],
    limits: {
      url_bytes: 8192,
      body_bytes: 65536,
      params: 100,
      value_chars: 4096,
      json_depth: 20,
      in_flight: 10000,
      header_bytes: 8192,
      header_timeout_ms: 10000,
      request_timeout_ms: 10000,
      connections: 10000,
      // A network that is answered 429 may never send that conversion again: limits are for those
      // who know their networks' pace. `in_flight` protects the process.
      address_rate_per_second: 0,
      network_rate_per_second: 0,
    },
  },
  /** Loopback: the numbers and the dead letters are nobody else's. */
  admin: { listen: '127.0.0.1:9090', collect_interval_ms: 5000 },
  log: { level: 'info', format: 'json' },
  tracing: { sample: 0.01 },
  privacy: { client_addresses: 'truncated', views: 'masked' },
  workers: 1,
  store: {
    type: 'lmdb',
    path: './data',
    lease_ms: 10000,
    allow_unsafe: false,
    decisions: 100000,
    dead_letter_days: 30,
    redis: { prefix: 'postern', partitions: 16, wait_timeout_ms: 500, command_timeout_ms: 1500 },
  },
  network: { enabled: true, accept_unverified: false, require_https: false },
  /** How it is tried is decided with its rule: see destinations/policy. */
  destination: { accept_unverified: false, memory: 1000 },
  proxy: {
    preserve_host: true,
    connections: 128,
    timeout_ms: 30_000,
    request_timeout_ms: 300_000,
    body_bytes: 67_108_864,
    header_bytes: 32_768,
    mode: 'tap',
    store_when_down: true,
    shadow: { status: 'class', body: 'ignore', timeout_ms: 10_000, in_flight: 32 },
  },
  demo: { listen: '127.0.0.1:8090' },
} as const)

/** Freezes `value` and everything in it; maps and sets are left as they are. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part)
  return value
}

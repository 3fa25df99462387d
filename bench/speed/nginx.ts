/** nginx in a folder of its own: as the destinations, and as two of the gateways compared with. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startPinned } from './processes.ts'

/** `http`: what stands in the http block; `modules`: files to load. */
export function startNginx(
  core: number,
  folder: string,
  http: string,
  modules: readonly string[] = [],
): ChildProcess {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `${modules.map(module => `load_module ${module};\n`).join('')}
daemon off;
worker_processes 1;
error_log ${folder}/error.log;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${http}
}
`,
  )
  return startPinned(core, ['nginx', '-p', folder, '-c', file])
}

/** Every destination answers 200 at once. The count of all their requests is at `statusPort`. */
export function destinationsText(ports: readonly number[], statusPort: number): string {
  const servers = ports.map(
    port => `server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 "OK"; } }`,
  )
  const status = `server { listen 127.0.0.1:${statusPort}; location = /status { stub_status; } }`
  return [...servers, status].join('\n')
}

const PASS = `
    proxy_http_version 1.1;
    proxy_set_header Connection "";`

function upstreams(ports: readonly number[]): string {
  return ports
    .map(
      (port, i) =>
        `upstream d${i} { server 127.0.0.1:${port}; keepalive 64; keepalive_requests 1000000000; }`,
    ) // prettier-ignore
    .join('\n')
}

/** The first destination answers the network; the others get a copy that nobody waits for. */
export function mirrorText(port: number, destinations: readonly number[]): string {
  const copies = destinations.slice(1).map((_, i) => i + 1)
  return `${upstreams(destinations)}
server {
  listen 127.0.0.1:${port} backlog=4096;
  location / {
    ${copies.map(i => `mirror /copy${i};`).join(' ')}
    mirror_request_body off;
    proxy_pass http://d0;${PASS}
  }
  ${copies.map(i => `location = /copy${i} { internal; proxy_pass http://d${i}$request_uri;${PASS} }`).join('\n')}
}`
}

export const LUA_MODULES = ['ndk_http_module', 'ngx_http_lua_module'].map(
  name => `/usr/lib/nginx/modules/${name}.so`,
)

/**
 * SET NX, then one subrequest per destination, then the answer. Debian has no resty.redis, so the
 * one command is written by hand on a pooled socket.
 */
export function luaText(port: number, destinations: readonly number[], redisPort: number): string {
  const calls = destinations.map((_, i) => `{ "/to${i}", { args = ngx.var.args } }`).join(', ')
  return `${upstreams(destinations)}
server {
  listen 127.0.0.1:${port} backlog=4096;
  ${destinations.map((_, i) => `location = /to${i} { internal; proxy_pass http://d${i}/postback$is_args$args;${PASS} }`).join('\n')}
  location / {
    content_by_lua_block {
      local key = ngx.var.arg_tid or ""
      local sock = ngx.socket.tcp()
      sock:settimeout(1000)
      if not sock:connect("127.0.0.1", ${redisPort}, { pool_size = 64 }) then return ngx.exit(503) end
      sock:send("*6\\r\\n$3\\r\\nSET\\r\\n$" .. #key .. "\\r\\n" .. key .. "\\r\\n$1\\r\\n1\\r\\n$2\\r\\nNX\\r\\n$2\\r\\nEX\\r\\n$7\\r\\n2592000\\r\\n")
      local line = sock:receive()
      if line == "+OK" then
        sock:setkeepalive(60000, 64)
        ngx.location.capture_multi({ ${calls} })
      elseif line == "$-1" then
        sock:setkeepalive(60000, 64)
      else
        return ngx.exit(503)
      end
      ngx.header.content_length = 2
      ngx.print("OK")
    }
  }
}`
}

/** A real nginx in front of a gateway, as it stands there in production. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { request } from 'undici'
import { temporaryFolder, type Teardown } from './gateway.ts'
import { until } from './until.ts'

/** The nginx on the PATH; installs it where this user may, else fails with what to do. */
function findNginx(): string {
  try {
    return execFileSync('sh', ['-c', 'PATH="$PATH:/usr/sbin" command -v nginx']).toString().trim()
  } catch {
    try {
      execFileSync('sh', ['-c', 'apt-get update -q && apt-get install -qy nginx-light'], {
        stdio: 'ignore',
      })
      return '/usr/sbin/nginx'
    } catch {
      throw new Error('this test needs nginx: apt-get install nginx-light')
    }
  }
}

export async function startNginx(t: Teardown, upstream: () => number): Promise<string> {
  const binary = findNginx()
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'tmp'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `
daemon off;
# One process: a worker that outlives its master would hold the test's pipe open for ever.
master_process off;
error_log stderr error;
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/tmp/body;
  proxy_temp_path ${folder}/tmp/proxy;
  fastcgi_temp_path ${folder}/tmp/fastcgi;
  uwsgi_temp_path ${folder}/tmp/uwsgi;
  scgi_temp_path ${folder}/tmp/scgi;
  client_max_body_size 0;
  underscores_in_headers on;
  merge_slashes off;
  upstream gateway { server 127.0.0.1:${upstream()}; keepalive 32; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
    }
  }
}
`,
  )
  const child = spawn(binary, ['-c', file, '-p', folder], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const url = `http://127.0.0.1:${port}`
  await until(`nginx answers ${errors}`, async () => {
    try {
      const { body } = await request(url)
      await body.dump()
      return true
    } catch {
      return false
    }
  })
  return url
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

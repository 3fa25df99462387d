/**
 * A stand-in tracker on this machine, so that the first postback has somewhere to go. It takes
 * every request and prints it. For the first ten minutes only; remove `demo:` from the
 * configuration afterwards.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Demo {
  readonly port: number
  close(): Promise<void>
}

export async function startDemo(
  listen: { host: string; port: number },
  received: (request: { method: string; url: string; body: string }) => void,
): Promise<Demo> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '' } = request
      received({ method, url, body: Buffer.concat(chunks).toString('utf8') })
      response.setHeader('content-type', 'text/plain')
      response.end('OK')
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

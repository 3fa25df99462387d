/** Ports that are free now. */
import { createServer, type AddressInfo } from 'node:net'

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  return Promise.all(
    servers.map(server => {
      const { port } = server.address() as AddressInfo
      return new Promise<number>(resolve => server.close(() => resolve(port)))
    }),
  )
}

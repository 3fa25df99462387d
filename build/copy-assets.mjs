// The compiler copies only TypeScript; the Lua scripts of the Redis store travel with it.
import { cpSync } from 'node:fs'

cpSync('src/store/redis', 'dist/store/redis', {
  recursive: true,
  filter: path => !path.endsWith('.ts'),
})

// What `npm start` runs: builds, then serves in this same process, so that signals reach it. It is no
// `prestart`, because .npmrc switches the scripts of packages off, and npm those before and after
// others with them.
import { execSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

execSync('npm run build --silent', { stdio: 'inherit' })
// Workers are started from these arguments, too.
process.argv.splice(1, 1, fileURLToPath(new URL('../dist/main.js', import.meta.url)), 'start')
await import('../dist/main.js')

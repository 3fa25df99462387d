/**
 * Preloaded into a gateway on LMDB (`node --import`): ends it by SIGKILL at a named point of its
 * next write. The point is named by the file FAILPOINT_FILE, and the gateway is the built one: only
 * what its store is called through is put in between.
 *
 *   before accept   within accept   after accept   before settle   within settle   after settle
 *
 * Within: a random moment of the first 3 ms of the write.
 */
import { register } from 'node:module'

/** The module, and the name under which its wrapper finds the real one. */
const MODULE = '/dist/store/lmdb.js'
const REAL = '?real'

const wrapper = real => `
  import { existsSync, readFileSync } from 'node:fs'
  import { createLmdbStore as create } from ${JSON.stringify(real)}
  export * from ${JSON.stringify(real)}

  const file = process.env['FAILPOINT_FILE']
  const isArmed = point => existsSync(file) && readFileSync(file, 'utf8') === point
  const end = () => process.kill(process.pid, 'SIGKILL')
  const never = new Promise(() => undefined)

  export function createLmdbStore(options) {
    const store = create(options)
    const watched = name => {
      const call = store[name].bind(store)
      return async (...args) => {
        if (isArmed('before ' + name)) end()
        if (isArmed('within ' + name)) {
          setTimeout(end, Math.random() * 3)
          void call(...args)
          await never
        }
        const answer = await call(...args)
        if (isArmed('after ' + name)) end()
        return answer
      }
    }
    return Object.defineProperties(Object.create(store), {
      accept: { value: watched('accept') },
      settle: { value: watched('settle') },
    })
  }
`

const hooks = `
  const wrapper = ${wrapper.toString()}
  export async function load(url, context, next) {
    if (!url.endsWith(${JSON.stringify(MODULE)})) return next(url, context)
    return { format: 'module', shortCircuit: true, source: wrapper(url + ${JSON.stringify(REAL)}) }
  }
`

register(`data:text/javascript,${encodeURIComponent(hooks)}`)

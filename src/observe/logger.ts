/** Structured log lines on standard output: JSON, or aligned text for people at a terminal. */
import { pino, type DestinationStream, type Logger } from 'pino'
import type { Clock } from '../base/clock.ts'
import { maskSecrets, printable } from '../base/redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'pretty'
  readonly isTerminal: boolean
  /** Masked wherever they would appear; asked for at each line, since a reload may change them. */
  readonly secrets: () => readonly string[]
  readonly clock: Clock
  readonly write: (line: string) => void
  /** Told of every line that is written. */
  readonly counted?: (level: LogLevel) => void
}

/** A fact in dotted past tense (`postback.received`) with its fields, in one line. */
export type LogFields = Readonly<Record<string, unknown>>

export function createLogger(options: LogOptions): Logger {
  const { level, format, secrets, write, counted } = options
  const stream: DestinationStream = {
    write: line => {
      const masked = maskSecrets(line, secrets())
      write(format === 'pretty' ? toPretty(masked, options.isTerminal) : masked)
    },
  }
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(options.clock.now()).toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      hooks: {
        logMethod(args, method, number) {
          counted?.(LEVEL_NAMES[number] ?? 'error')
          method.apply(this, args)
        },
      },
      serializers: { err: (error: Error) => ({ message: error.message, stack: error.stack }) },
    },
    stream,
  )
}

/** pino's numbers. */
const LEVEL_NAMES: Readonly<Record<number, LogLevel>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
}

const COLOURS: Readonly<Record<string, string>> = {
  debug: '\u001b[36m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
}
const RESET = '\u001b[0m'

/** `12:00:01 info  delivery.delivered   destination=voluum …` */
function toPretty(line: string, isTerminal: boolean): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const label = String(level).padEnd(5)
  const shown = isTerminal ? `${COLOURS[String(level)] ?? ''}${label}${RESET}` : label
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}=${fieldText(value)}`)
  return `${String(time).slice(11, 19)} ${shown} ${String(msg).padEnd(20)} ${pairs.join(' ')}\n`
}

function fieldText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return printable(text, 300)
}

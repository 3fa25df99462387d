/** Reference pages of what people write: one table per object of the schema. Generated, never edited. */

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly $ref?: string
}

interface Section {
  readonly title: string
  readonly schema: Schema
}

/** Markdown: an introduction, then each object with its options, in the order they are met. */
export function schemaPage(title: string, introduction: string, root: object): string {
  const lines = [`# ${title}`, '', introduction, '']
  const sections: Section[] = [{ title: '', schema: root as Schema }]
  for (let section = sections.shift(); section; section = sections.shift()) {
    const { schema } = section
    if (section.title !== '') lines.push(`## \`${section.title}\``, '')
    if (schema.description && section.title !== '') lines.push(`${schema.description}.`, '')
    lines.push('| option | form | meaning |', '|---|---|---|')
    const inner: Section[] = []
    for (const [name, option] of Object.entries(schema.properties ?? {})) {
      const path = section.title === '' ? name : `${section.title}.${name}`
      const isRequired = schema.required?.includes(name)
      lines.push(
        `| \`${name}\`${isRequired ? ' (required)' : ''} | ${formOf(option)} | ${cell(option.description ?? '')} |`,
      )
      const object = objectIn(option, path)
      if (object) inner.push(object)
    }
    lines.push('')
    sections.unshift(...inner)
  }
  return `${lines.join('\n').trimEnd()}\n`
}

/** The object that this option is, holds a list of, or maps names to. */
function objectIn(schema: Schema, path: string): Section | undefined {
  if (schema.properties) return { title: path, schema }
  if (schema.items) return objectIn(schema.items, `${path}[]`)
  if (typeof schema.additionalProperties === 'object') {
    return objectIn(schema.additionalProperties, `${path}.<name>`)
  }
  return undefined
}

function formOf(schema: Schema): string {
  if (schema.$ref) return 'matcher'
  if (schema.enum) return schema.enum.map(word => `\`${word}\``).join(', ')
  if (schema.items) return `list of ${formOf(schema.items)}`
  if (typeof schema.additionalProperties === 'object') {
    return `map of ${formOf(schema.additionalProperties)}`
  }
  if (schema.type === 'object') return 'object'
  const { minimum, maximum } = schema
  if (minimum !== undefined && maximum !== undefined) return `${schema.type}, ${minimum}–${maximum}`
  if (minimum !== undefined) return `${schema.type}, from ${minimum}`
  return schema.type === 'string' ? 'text' : (schema.type ?? 'any')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Column, renderTable } from '../../src/cli/table.js'

interface Row {
  readonly name: string
  readonly token: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'TOKEN', align: 'right', cell: ({ token }) => String(token) },
]

describe('a table', () => {
  it('is as wide as its widest cells, figures to the right', () => {
    const rows = [
      { name: 'a', token: 1_234_567 },
      { name: 'orders/42', token: 8 },
    ]
    assert.equal(
      renderTable(COLUMNS, rows),
      ['NAME         TOKEN', 'a          1234567', 'orders/42        8'].join('\n'),
    )
  })

  it('without rows has its titles', () => {
    assert.equal(renderTable(COLUMNS, []), 'NAME  TOKEN')
  })

  it('leaves no blanks at the ends of lines', () => {
    const [name] = COLUMNS
    assert.equal(renderTable([name!], [{ name: 'x', token: 1 }]), 'NAME\nx')
  })

  it('does not let a name command the terminal, or break its line', () => {
    const rows = [{ name: 'a\u001b[2J\nb\u202ec', token: 1 }]
    const shown = renderTable(COLUMNS, rows)
    assert.match(shown, /a\\u\{1b\}\[2J\\u\{a\}b\\u\{202e\}c/)
    assert.equal(shown.split('\n').length, 2)
  })
})

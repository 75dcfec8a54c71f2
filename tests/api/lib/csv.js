// A CSV reader of its own, written from RFC 4180 and nothing else, so that a
// mistake in the program's reader or writer is not repeated here.

// Rows one by one from pieces of text, in constant memory. `trim` drops blanks
// around unquoted fields and before an opening quote.
export class CsvReader {
  constructor({ trim = false } = {}) {
    this.trim = trim;
    this.row = [];
    this.field = '';
    this.state = 'start'; // start, plain, quoted, closed
    this.carriage = false;
  }

  #endField() {
    let value = this.field;
    if (this.trim && this.state !== 'closed')
      value = value.replace(/^ +| +$/g, '');
    this.row.push(value);
    this.field = '';
    this.state = 'start';
  }

  // Rows that `text` completes.
  * push(text) {
    let from = 0; // of a stretch that belongs to the field as it is
    const keep = (to) => {
      if (to > from)
        this.field += text.slice(from, to);
    };
    for (let at = 0; at < text.length; at++) {
      const c = text.charCodeAt(at);
      if (this.state === 'quoted') {
        if (c === 34) {
          keep(at);
          from = at + 1;
          this.state = 'closed';
        }
        continue;
      }
      if (c === 34) {
        keep(at);
        from = at + 1;
        if (this.state === 'closed') {
          this.field += '"';
          this.state = 'quoted';
        } else if (this.state === 'start' ||
                   (this.trim && /^ *$/.test(this.field))) {
          this.field = '';
          this.state = 'quoted';
        } else {
          throw new Error('a quote inside an unquoted field');
        }
      } else if (c === 44) {
        keep(at);
        from = at + 1;
        this.#endField();
      } else if (c === 10 || c === 13) {
        keep(at);
        from = at + 1;
        if (c === 10 && this.carriage) {
          this.carriage = false;
          continue;
        }
        this.carriage = c === 13;
        if (this.state === 'start' && this.row.length === 0)
          continue; // a blank line
        this.#endField();
        yield this.row;
        this.row = [];
        continue;
      } else if (this.state === 'closed') {
        if (this.trim && c === 32) {
          from = at + 1;
          continue;
        }
        throw new Error('text after a closing quote');
      } else {
        this.state = 'plain';
      }
      this.carriage = false;
    }
    keep(text.length);
  }

  * end() {
    if (this.state === 'quoted')
      throw new Error('a quote is never closed');
    if (this.state !== 'start' || this.row.length > 0) {
      this.#endField();
      yield this.row;
    }
  }
}

export function parseCsv(bytes, options) {
  let text = typeof bytes === 'string' ? bytes : bytes.toString();
  if (text.startsWith('\ufeff'))
    text = text.slice(1);
  const reader = new CsvReader(options);
  return [...reader.push(text), ...reader.end()];
}

export async function* streamCsv(stream, options) {
  const reader = new CsvReader(options);
  stream.setEncoding('utf8');
  for await (const piece of stream)
    yield* reader.push(piece);
  yield* reader.end();
}

// A date as the export writes it (contract 16.2), from any form that the
// contract lets in (1.3); undefined for what is no date.
export function canonicalDate(text) {
  const parts = new RegExp('^(\\d{4}-\\d\\d-\\d\\d)' +
    '(?:T(\\d\\d:\\d\\d)(?::(\\d\\d)(?:\\.(\\d+))?)?' +
    '(Z|[+-]\\d\\d:\\d\\d)?)?$', 'i').exec(text);
  if (!parts)
    return undefined;
  const [, day, minute = '00:00', second = '00', fraction = '',
    zone = 'Z'] = parts;
  const ms = fraction.padEnd(3, '0').slice(0, 3);
  const offset = /^(z|[+-]00:00)$/i.test(zone) ? 'Z' : zone;
  return `${day}T${minute}:${second}${ms === '000' ? '' : `.${ms}`}${offset}`;
}

// A row as it has to come back after a round trip: blanks around the values of
// the eight built-in columns are not kept, dates have one form.
export function canonicalRow(row) {
  return row.map((value, column) => {
    if (column === 6 || column === 7)
      return canonicalDate(value.trim());
    return column < 6 ? value.replace(/^ +| +$/g, '') : value;
  });
}

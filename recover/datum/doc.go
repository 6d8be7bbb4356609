// Package datum turns the bytes of one attribute on disk into the text that
// PostgreSQL's own output functions give.
//
//   - datum: one attribute's bytes, without the length header of a varlena.
//   - Append: decodes one datum of one type and appends its text.
//   - Registry: knows the Append of every type of a database.
//   - Toaster: fetches what was moved out of the tuple into a TOAST relation.
//   - RowDecoder: turns the tuples of one relation into rows of package evidence.
//
// The text is what COPY TO writes before it escapes it, with DateStyle ISO,
// IntervalStyle postgres, TimeZone UTC, extra_float_digits 1 and bytea_output hex.
// Damaged bytes give an error and never a panic: the value is unknown then.
package datum

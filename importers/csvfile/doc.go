// Package csvfile reads CSV files, and whatever else is a table with a delimiter.
//
//   - Dialect: delimiter, quote, escape, encoding, preamble and header of a file.
//   - Sniff: to find the dialect by looking at the beginning of a file.
//   - Preamble: lines above the header that belong to no record.
//   - Ragged: of a row that has more or fewer fields than the header.
//   - Strict: as RFC 4180 has it, with the dialect's delimiter, quote and escape.
//   - As the app: as the browser of the reference application split its files, which knew no
//     quotes. Its rows are what the database held.
package csvfile

// Package xlsxfile reads the sheets of Excel's .xlsx files.
//
//   - Sheet: a table of cells with a name; it may be hidden.
//   - Cell: a value as it is stored, and a number format that says how it is shown.
//   - Serial: a date as a number of days, from 1900 or from 1904.
//   - Merged: of cells that show one value, which only the first of them has.
//   - Cached: of the value of a formula when the file was last saved.
//   - Guard: a second, independent look at the parts of the file, which finds the damage that
//     the reader of the sheet passes over in silence.
package xlsxfile

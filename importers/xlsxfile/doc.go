// Package xlsxfile reads the sheets of Excel's .xlsx files.
//
//   - Part: a member of the zip archive that a file is: one for each sheet, for the shared
//     strings, for the styles.
//   - Sheet: a table of cells with a name; it may be hidden.
//   - Cell: a value as it is stored, and a number format that says how it is shown.
//   - Shared string: a text that cells refer to by its number.
//   - Serial: a date as a number of days, from 1900 or from 1904.
//   - Merged: of cells that show one value, which only the first of them has.
//   - Stored result: of a formula, when the file was last saved.
//   - Guard: the pass over all parts before a record is given. It checks lengths, checksums and
//     that each part is whole and well-formed, and counts rows, so that damage is known first.
//
// Cells are read by a scanner of the package's own. Excelize gives a sheet that is damaged up to
// the damage and says nothing, and takes several times the CPU; it shows numbers as Excel would,
// in a workbook of its own, and in tests it is what every cell is compared with.
package xlsxfile

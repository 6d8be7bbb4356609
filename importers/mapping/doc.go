// Package mapping gives the fields of a source to the columns of a table.
//
//   - Profile: what is known beforehand of an application's files, written as YAML: synonyms,
//     conversions, defaults, and by which columns a row is known to be there already.
//   - Synonym: a header that means a column. Headers are compared in lower case, with one
//     underscore for what is neither letter nor digit.
//   - Mapping: a profile applied to one header and one table.
//   - Conversion: how the text of a field becomes the text of a column, or why it does not.
//   - Unmapped: of a field that no column takes; a profile says where such fields go.
//   - Suggestion: a column that an unmapped header resembles. It is never applied by itself.
package mapping

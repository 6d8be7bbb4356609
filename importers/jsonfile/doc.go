// Package jsonfile reads JSON documents: lists of objects, objects that hold such a list,
// one object a line, and objects one after the other.
//
//   - Document: one value that is no element of another. A source has one, or several one after
//     the other.
//   - Request: the body that the application sent its server. Session: the file that it kept of an
//     upload. Both have a list, and say of which file it was.
//   - Path: the names that lead from the document to its list, such as data or upload.rows.
//   - Element: one value of the list; a record when it is an object.
//   - Cut: of a document that ends in the middle. Its complete elements are records.
package jsonfile

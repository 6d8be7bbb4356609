// Package api sends imports through the reference application's own HTTP endpoint, so that the
// application itself writes the rows.
//
//   - Import: the records of one source file. The application stores one row of data_imports
//     for each request.
//   - Batch: a part of an import that is sent as a request, and so an import, of its own.
//   - Ask: to look which imports the server knows of the tenant, before anything is sent.
//   - In doubt: of a request whose answer did not come. It may have been stored, so the server is
//     asked before it is sent again.
//   - There: of an import that the server has already. It is not sent.
//   - Place: the scheme, host and port of the server. The token goes nowhere else.
package api

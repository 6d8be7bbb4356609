// Package discovery is the import path of the reference application: it makes the rows
// of all tables that an import of a source file wrote there.
//
//   - Tenant: a client account, an engagement of it, and a user.
//   - Import: a row of data_imports, with its raw records, its field mappings and its flow.
//   - Flow: the run that works an import up. The master flow is a row of crewai_flow_state_extensions,
//     and flow_id is what everything else names it by.
//   - Raw record: a row of the source as one JSON object.
//   - Asset: what becomes of a raw record.
//   - As the app: as the code of the incident's time would have stored it, losses included.
//   - As mapped: as the field mappings say.
//   - Known id: one that the database, the case or the logs still know. Others are made from the
//     tenant, the source's hash and the record's number, so that they are the same every time.
package discovery

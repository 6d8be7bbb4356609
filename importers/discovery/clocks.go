package discovery

// isoTime is a time as Python's isoformat prints it; pattern is for package regexp and for PostgreSQL.
const isoTime = `"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+"`

// clocks are the columns in which the application wrote what its clock said, each of them at another
// moment. No file knows them, so a row that differs in nothing else is the same row.
func clocks(table string) map[string]string {
	const any, cleansed = ".*", `"cleansed_at": ` + isoTime
	switch table {
	case tableImports:
		return map[string]string{"updated_at": any}
	case tableMasterFlows:
		return map[string]string{"flow_configuration": `"import_timestamp": ` + isoTime}
	case tableRawRecords:
		return map[string]string{"cleansed_data": cleansed}
	case tableMappings:
		return map[string]string{"approved_at": any}
	case tableFlows:
		return map[string]string{"crewai_state_data": `"(import_timestamp|timeout_at|created_at)": ` + isoTime}
	case tableAssets:
		return map[string]string{"updated_at": any, "custom_attributes": cleansed, "raw_data": cleansed}
	}
	return nil
}

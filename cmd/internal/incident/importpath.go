package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// asset is what later traffic needs to know of an inserted asset.
type asset struct{ id, name string }

// stored is an upload on its way through the import path.
type stored struct {
	tenant           *tenant
	upload           upload
	importID, flowID string
	user             string
	at               time.Time
	records          []record
	rawIDs           []string
}

// send sends one upload through the whole import path, phase by phase, each in
// the transactions that the application uses.
func (w *world) send(ctx context.Context, t *tenant, number int) error {
	first := 1
	for _, before := range t.uploads[:number] {
		first += before.rows
	}
	u := t.uploads[number]
	s := &stored{tenant: t, upload: u, importID: w.uuid(), flowID: w.uuid(), user: pick(w, t.users[:2]...), at: w.tick(7200), records: w.records(t, u, first)}
	if u.fallback {
		s.user = demoUser
	}
	phases := []func(context.Context, *stored) error{w.store, w.mapFields, w.cleanse}
	if u.inventory {
		phases = append(phases, w.inventory, w.connectAssets)
	}
	if u.fails {
		phases = []func(context.Context, *stored) error{w.storeFailing}
	}
	w.log.begin(s)
	for _, phase := range phases {
		if err := phase(ctx, s); err != nil {
			return fmt.Errorf("import %s of %s: %w", u.filename, t.slug, err)
		}
	}
	return nil
}

// importRow is the insert of the data_imports row.
func (s *stored) importRow(status string) string {
	return insert("data_imports", field{"id", s.importID}, field{"client_account_id", s.tenant.client}, field{"engagement_id", s.tenant.engagement},
		field{"import_name", s.upload.filename + " Import"}, field{"import_type", s.upload.category},
		field{"description", "Data import for " + s.upload.category + " category"}, field{"filename", s.upload.filename},
		field{"file_size", len(jsonText(s.records))}, field{"mime_type", "application/json"}, field{"source_system", s.upload.category},
		field{"status", status}, field{"imported_by", s.user}, field{"started_at", s.at}, field{"created_at", s.at})
}

// rawRows are the inserts of raw_import_records, one for each line of the file.
func (w *world) rawRows(s *stored) []string {
	var statements []string
	for i, r := range s.records {
		id := w.uuid()
		s.rawIDs = append(s.rawIDs, id)
		statements = append(statements, insert("raw_import_records", field{"id", id}, field{"data_import_id", s.importID},
			field{"client_account_id", s.tenant.client}, field{"engagement_id", s.tenant.engagement}, field{"row_number", i + 1},
			field{"raw_data", r}, field{"created_at", s.at}))
	}
	return append(statements, fmt.Sprintf("UPDATE migration.data_imports SET total_records = %d WHERE id = '%s'", len(s.records), s.importID))
}

// store is the one transaction of the upload's request.
func (w *world) store(ctx context.Context, s *stored) error {
	state := map[string]any{"raw_data": s.records, "data_import_id": s.importID, "phase": "initialization", "trace": []string{w.uuid(), w.uuid(), w.uuid()}}
	statements := append([]string{s.importRow("processing")}, w.rawRows(s)...)
	statements = append(statements,
		insert("crewai_flow_state_extensions", field{"id", w.uuid()}, field{"flow_id", s.flowID}, field{"client_account_id", s.tenant.client},
			field{"engagement_id", s.tenant.engagement}, field{"user_id", s.user}, field{"flow_type", "discovery"},
			field{"flow_name", "Discovery Import " + s.importID}, field{"flow_status", "running"},
			field{"flow_configuration", map[string]any{"source": "data_import", "import_id": s.importID, "filename": s.upload.filename, "import_timestamp": s.at}},
			field{"flow_persistence_data", state}, field{"created_at", s.at}, field{"updated_at", s.at}),
		insert("discovery_flows", field{"id", w.uuid()}, field{"flow_id", s.flowID}, field{"master_flow_id", s.flowID},
			field{"client_account_id", s.tenant.client}, field{"engagement_id", s.tenant.engagement}, field{"user_id", s.user},
			field{"data_import_id", s.importID}, field{"flow_name", "Discovery Flow " + s.flowID[:8]}, field{"status", "initialized"},
			field{"data_import_completed", true}, field{"current_phase", "initialization"}, field{"phases_completed", []string{}},
			field{"crewai_state_data", map[string]any{"raw_data": s.records, "metadata": map[string]any{"source": "data_import", "import_id": s.importID}}},
			field{"created_at", s.at}, field{"updated_at", s.at}),
		fmt.Sprintf("UPDATE migration.data_imports SET master_flow_id = '%s' WHERE id = '%s'", s.flowID, s.importID))
	s.tenant.flows = append(s.tenant.flows, flow{s.flowID, s.importID})
	if err := w.transaction(ctx, statements...); err != nil {
		return err
	}
	w.log.committed(s)
	w.log.audit(s)
	return nil
}

// storeFailing is an upload whose flow could not be made; its rows stay.
func (w *world) storeFailing(ctx context.Context, s *stored) error {
	statements := append([]string{s.importRow("processing")}, w.rawRows(s)...)
	if err := w.transaction(ctx, statements...); err != nil {
		return err
	}
	w.log.refused(s)
	return w.transaction(ctx, fmt.Sprintf(
		"UPDATE migration.data_imports SET status = 'failed', error_message = 'flow could not be created', error_details = %s, updated_at = %s WHERE id = '%s'",
		literal(map[string]any{"phase": "initialization", "attempts": 3}), literal(w.tick(60)), s.importID))
}

// mapFields writes the suggested mappings and, in a second transaction, approves them.
func (w *world) mapFields(ctx context.Context, s *stored) error {
	w.log.phase(s, "field_mapping")
	statements := []string{fmt.Sprintf("DELETE FROM migration.import_field_mappings WHERE data_import_id = '%s'", s.importID)}
	at := w.tick(90)
	for _, h := range headers() {
		statements = append(statements, insert("import_field_mappings", field{"id", w.uuid()}, field{"data_import_id", s.importID},
			field{"client_account_id", s.tenant.client}, field{"engagement_id", s.tenant.engagement}, field{"master_flow_id", s.flowID},
			field{"source_field", h[0]}, field{"target_field", h[1]}, field{"match_type", "suggestion"}, field{"confidence_score", w.score()},
			field{"suggested_by", "crew_generated"}, field{"transformation_rules", map[string]any{"trim": true}},
			field{"agent_reasoning", "header " + h[0] + " reads like " + h[1]}, field{"created_at", at}, field{"updated_at", at}))
	}
	if err := w.transaction(ctx, statements...); err != nil {
		return err
	}
	w.log.mapped()
	at = w.tick(1800)
	return w.transaction(ctx,
		fmt.Sprintf("UPDATE migration.import_field_mappings SET status = 'approved', approved_by = '%s', approved_at = %s, updated_at = %[2]s WHERE data_import_id = '%s'", s.user, literal(at), s.importID),
		w.advance(s, "field_mapping", at))
}

// advance moves the flow on a phase: both flow tables carry the whole state.
func (w *world) advance(s *stored, phase string, at time.Time) string {
	return fmt.Sprintf("UPDATE migration.discovery_flows SET current_phase = '%s', status = 'processing', progress_percentage = progress_percentage + 16.7, %[1]s_completed = true, updated_at = %[2]s WHERE flow_id = '%[3]s';\n"+
		"UPDATE migration.crewai_flow_state_extensions SET flow_status = 'processing', flow_persistence_data = flow_persistence_data || %[4]s, updated_at = %[2]s WHERE flow_id = '%[3]s'",
		phase, literal(at), s.flowID, literal(map[string]any{"phase": phase, "agent": w.uuid(), "insight": w.sentence(phase)}))
}

// cleanse writes the cleansed data back to the raw rows.
func (w *world) cleanse(ctx context.Context, s *stored) error {
	w.log.phase(s, "data_cleansing")
	at := w.tick(600)
	var statements []string
	for i, id := range s.rawIDs {
		clean := make(map[string]any, len(headers()))
		for _, h := range headers() {
			if value := s.records[i][h[0]]; value != "" && h[1] != "UNMAPPED" {
				clean[h[1]] = value
			}
		}
		statements = append(statements, fmt.Sprintf("UPDATE migration.raw_import_records SET cleansed_data = %s, is_processed = true, validation_errors = '[]', master_flow_id = '%s' WHERE id = '%s'",
			literal(clean), s.flowID, id))
	}
	statements = append(statements, w.advance(s, "data_cleansing", at))
	w.log.say(logRecords, "INFO", "🔄 Updating raw records with cleansed data for import %s", s.importID)
	return w.transaction(ctx, statements...)
}

// inventory makes an asset of each record.
func (w *world) inventory(ctx context.Context, s *stored) error {
	w.log.phase(s, "asset_inventory")
	at := w.tick(300)
	var statements []string
	for i, r := range s.records {
		id := w.uuid()
		s.tenant.assets = append(s.tenant.assets, asset{id, r["Name"]})
		w.log.made(s, asset{id, r["Name"]}, r)
		statements = append(statements, w.assetRow(s, id, s.rawIDs[i], r, at))
	}
	w.log.say("services.crewai_flows.phase_executors", "INFO", "🔨 Asset creation result: created=%d, failed=0", len(s.records))
	return w.transaction(ctx, append(statements, w.advance(s, "asset_inventory", at))...)
}

func (w *world) assetRow(s *stored, id, rawID string, r record, at time.Time) string {
	fields := []field{
		{"id", id},
		{"client_account_id", s.tenant.client},
		{"engagement_id", s.tenant.engagement},
		{"flow_id", s.flowID},
		{"master_flow_id", s.flowID},
		{"discovery_flow_id", s.flowID},
		{"source_phase", "discovery"},
		{"current_phase", "discovery"},
		{"phase_context", map[string]any{}},
		{"name", r["Name"]},
		{"asset_name", r["Name"]},
		{"hostname", r["Host Name"]},
		{"asset_type", r["CI Type"]},
		{"description", r["Description"]},
		{"ip_address", r["IP Address"]},
		{"environment", r["Environment"]},
		{"location", r["Location"]},
		{"operating_system", r["OS"]},
		{"os_version", r["OS Version"]},
		{"cpu_cores", number(r["CPU Cores"])},
		{"memory_gb", number(r["Memory GB"])},
		{"storage_gb", number(r["Storage GB"])},
		{"business_owner", r["Owner"]},
		{"department", r["Department"]},
		{"application_name", r["Application"]},
		{"criticality", "Medium"},
		{"business_criticality", pick(w, "Medium", "High", "Low")},
		{"custom_attributes", r},
		{"migration_priority", 5},
		{"status", "discovered"},
		{"migration_status", "discovered"},
		{"discovery_method", "service_api"},
		{"discovery_source", "Service API"},
		{"discovery_timestamp", at},
		{"confidence_score", w.score()},
		{"current_monthly_cost", 1000 * w.score() / 3},
		{"imported_by", s.user},
		{"imported_at", at},
		{"source_filename", s.upload.filename},
		{"raw_data", jsonText(r)},
		{"field_mappings_used", map[string]any{"count": len(headers())}},
		{"raw_import_records_id", rawID},
		{"created_at", at},
		{"updated_at", at},
		{"discovered_at", at},
	}
	return insert("assets", fields...)
}

// number is the column value of a numeric field: NULL where the file had none.
func number(text string) any {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return n
}

// connectAssets notes which asset of the import depends on which.
func (w *world) connectAssets(ctx context.Context, s *stored) error {
	at := w.tick(300)
	mine := s.tenant.assets[len(s.tenant.assets)-len(s.records):]
	var statements []string
	for i := 1; i < len(mine); i++ {
		if w.dice.IntN(8) == 0 {
			continue
		}
		statements = append(statements, insert("asset_dependencies", field{"id", w.uuid()}, field{"asset_id", mine[i].id}, field{"depends_on_asset_id", mine[w.dice.IntN(i)].id},
			field{"dependency_type", pick(w, "network", "database", "application")}, field{"description", w.sentence(mine[i].name)}, field{"created_at", at},
			field{"relationship_nature", "communication"}, field{"direction", pick(w, "upstream", "downstream")},
			field{"criticality", pick(w, "low", "medium", "high", "critical")}, field{"dataflow_type", pick(w, "batch", "stream", "sync", "async")}))
	}
	return w.transaction(ctx, append(statements, w.advance(s, "dependency_analysis", at))...)
}

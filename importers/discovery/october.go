package discovery

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// October is the shapes of October 2025, for a look at a file without any target: only the columns
// that the application writes. Whatever is written into a target goes by the target's own.
func October() *Schema {
	s := &Schema{Name: "migration", Tables: map[string]*evidence.Relation{}}
	for table, columns := range octoberColumns() {
		rel := &evidence.Relation{RelationName: evidence.RelationName{Schema: s.Name, Name: table}}
		for _, c := range strings.Split(columns, ",") {
			name, typ, _ := strings.Cut(strings.TrimSpace(c), " ")
			rel.Columns = append(rel.Columns, evidence.Column{Name: name, Type: typ, Key: name == "id"})
		}
		s.Tables[table] = rel
	}
	return s
}

func octoberColumns() map[string]string {
	const tenant = "client_account_id uuid, engagement_id uuid, "
	return map[string]string{
		tableClients:     "id uuid, name character varying(255), slug character varying(100)",
		tableEngagements: "id uuid, client_account_id uuid, name character varying(255), slug character varying(100)",
		tableUsers:       "id uuid, email character varying(255)",
		tableMasterFlows: "id uuid, flow_id uuid, " + tenant + `user_id character varying(255), flow_type character varying(50),
flow_name character varying(255), flow_status character varying(50), flow_configuration jsonb, flow_persistence_data jsonb`,
		tableImports: "id uuid, " + tenant + `master_flow_id uuid, import_name character varying(255), import_type character varying(50),
description text, filename character varying(255), file_size integer, mime_type character varying(100), source_system character varying(100),
status character varying(20), total_records integer, processed_records integer, failed_records integer, imported_by uuid,
updated_at timestamp with time zone`,
		tableRawRecords: "id uuid, data_import_id uuid, " + tenant + `master_flow_id uuid, row_number integer, raw_data json, cleansed_data json,
is_processed boolean, is_valid boolean`,
		tableMappings: "id uuid, data_import_id uuid, client_account_id uuid, master_flow_id uuid, " + `source_field character varying(255),
target_field character varying(255), match_type character varying(50), confidence_score double precision, status character varying(20),
suggested_by character varying(50), approved_by character varying(255), approved_at timestamp with time zone, engagement_id uuid`,
		tableFlows: "id uuid, flow_id uuid, master_flow_id uuid, " + tenant + `user_id character varying, data_import_id uuid,
flow_name character varying(255), status character varying(20), data_cleansing_completed boolean, current_phase character varying(100),
crewai_state_data jsonb`,
		tableAssets:       "id uuid, " + tenant + octoberAssets,
		tableDependencies: "id uuid, asset_id uuid, depends_on_asset_id uuid",
	}
}

const octoberAssets = `master_flow_id uuid, discovery_flow_id uuid, source_phase character varying(50), current_phase character varying(50),
phase_context json, name character varying(255), asset_name character varying(255), hostname character varying(255),
asset_type character varying(50), description text, ip_address character varying(45), fqdn character varying(255),
mac_address character varying(17), environment character varying(50), location character varying(100), datacenter character varying(100),
rack_location character varying(50), availability_zone character varying(50), operating_system character varying(100),
os_version character varying(50), cpu_cores integer, memory_gb double precision, storage_gb double precision,
business_owner character varying(255), technical_owner character varying(255), department character varying(100),
application_name character varying(255), technology_stack character varying(255), criticality character varying(20),
business_criticality character varying(20), custom_attributes json, six_r_strategy character varying(50), migration_priority integer,
migration_complexity character varying(20), migration_wave integer, sixr_ready character varying(50), status character varying(50),
migration_status character varying(50), dependencies json, discovery_method character varying(50), discovery_source character varying(100),
cpu_utilization_percent double precision, memory_utilization_percent double precision, disk_iops double precision,
network_throughput_mbps double precision, completeness_score double precision, quality_score double precision,
current_monthly_cost double precision, estimated_cloud_cost double precision, raw_data text, raw_import_records_id uuid,
updated_at timestamp with time zone, assessment_readiness_score double precision, confidence_score double precision`

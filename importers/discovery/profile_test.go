package discovery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
)

func profile(t *testing.T) *mapping.Profile {
	t.Helper()
	p, err := discovery.Profile()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// arrows prints where each header goes: "Host Name -> hostname 0.90", with the column that it may mean too.
func arrows(m *mapping.Mapping) string {
	lines := make([]string, len(m.Header))
	for i, header := range m.Header {
		lines[i] = header + " -> " + mapping.UNMAPPED
	}
	for _, f := range m.Fields {
		lines[f.Index] = f.Header + " -> " + f.Target
		if f.Confidence > 0 {
			lines[f.Index] += fmt.Sprintf(" %.2f", f.Confidence)
		}
		if f.Or != "" {
			lines[f.Index] += " or " + f.Or
		}
	}
	return strings.Join(lines, "\n")
}

// handWorked is where the headers of the seven files go, worked out by hand from the three tables of synonyms. The
// numbers are those of the application's handler; where it has none, none is made up.
func handWorked() map[string]string {
	return map[string]string{
		"e2e-test-data.csv": `CI Type -> asset_type
Name -> name 0.95 or asset_name
Host Name -> hostname 0.90
IP Address -> ip_address
OS -> operating_system 0.90
Environment -> environment
Application -> application_name 0.85
Department -> department
Owner -> business_owner 0.85
Status -> status
Description -> description
Location -> location
CPU Cores -> cpu_cores
Memory GB -> memory_gb
Storage GB -> storage_gb`,
		"enterprise-cmdb-data__quoted_commas.csv": `asset_id -> UNMAPPED
asset_name -> asset_name 0.90
asset_type -> asset_type
ip_address -> ip_address
os -> operating_system 0.90
environment -> environment
criticality -> criticality
owner -> business_owner 0.85
department -> department
location -> location
dependencies -> dependencies
description -> description
last_updated -> UNMAPPED`,
		"first_discovery_data.csv": `hostname -> hostname
ip_address -> ip_address
operating_system -> operating_system
owner -> business_owner 0.85
status -> status
location -> location
environment -> environment`,
		"second_discovery_data.csv": `server_name -> hostname 0.85 or name
server_ip -> ip_address
os_version -> os_version 0.95 or operating_system
responsible_owner -> business_owner
current_status -> status
site_location -> location
env_type -> environment`,
		"servers-cmdb.csv": `server_name -> hostname 0.85 or name
ip_address -> ip_address
os_type -> operating_system
os_version -> os_version 0.95 or operating_system
cpu_cores -> cpu_cores
memory_gb -> memory_gb
storage_gb -> storage_gb
environment -> environment
location -> location
business_unit -> department
application -> application_name 0.85
status -> status
last_updated -> UNMAPPED`,
		"test-invalid-cmdb-data__ragged.csv": `hostname -> hostname
ip_address -> ip_address
os_type -> operating_system`,
		"validation_session_23rows.json": `Name -> name 0.95 or asset_name
CI Type -> asset_type
CI ID -> UNMAPPED
Version/Hostname -> UNMAPPED
IP Address -> ip_address
OS -> operating_system 0.90
CPU (Cores) -> cpu_cores
RAM (GB) -> memory_gb
Storage (GB) -> storage_gb
Location -> location
Owner -> business_owner 0.85
Environment -> environment
Status -> status
Related CI -> dependencies`,
	}
}

func TestEveryFile(t *testing.T) {
	t.Parallel()
	p := profile(t)
	for file, want := range handWorked() {
		m, err := p.Map(open(t, file, false).Head().Header, mapping.MapOptions{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := arrows(m); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", file, got, want)
		}
		if len(m.Suggestions)+len(m.Clashes) > 0 {
			t.Errorf("%s: suggestions %v, clashes %v", file, m.Suggestions, m.Clashes)
		}
		identifier := map[string]string{"enterprise-cmdb-data__quoted_commas.csv": "asset_id", "validation_session_23rows.json": "CI ID"}[file]
		if got := m.Identifier; identifier == "" && got >= 0 || identifier != "" && (got < 0 || m.Header[got] != identifier) {
			t.Errorf("%s: identifier %d, want %q", file, got, identifier)
		}
	}
}

// TestSynonymTables looks every header of the application's three tables up, with the number of the handler.
func TestSynonymTables(t *testing.T) {
	t.Parallel()
	p := profile(t)
	for column, headers := range map[string]string{
		"name":                        "name=.95 device_name",
		"asset_name":                  "asset_name=.90 display_name=.85 asset resource_name",
		"hostname":                    "hostname host_name=.90 host server_name=.85 machine_name computer_name",
		"fqdn":                        "fqdn=.95",
		"ip_address":                  "ip_address ip=.90 ipaddress=.90 ip_addr primary_ip=.85 ipv4 ipv6 network_address",
		"mac_address":                 "mac_address",
		"asset_type":                  "asset_type type=.85 category=.80 class=.75 device_type machine_type resource_type ci_type CITYPE CI-Type",
		"environment":                 "environment env=.90 stage=.80 environment_name deployment_env environment_type",
		"operating_system":            "operating_system os=.90 os_name=.90 platform=.80",
		"os_version":                  "os_version=.95 os_ver",
		"cpu_cores":                   "cpu_cores cpu vcpu cores processors cpu_count",
		"memory_gb":                   "memory_gb memory ram ram_gb memory_size mem_size total_memory",
		"storage_gb":                  "storage_gb storage disk disk_size disk_gb hard_disk total_storage",
		"location":                    "location site=.80 region",
		"datacenter":                  "datacenter data_center=.90 dc",
		"rack_location":               "rack_location",
		"availability_zone":           "availability_zone",
		"business_owner":              "business_owner owner=.85 owner_email=.80 business_contact responsible_party app_owner",
		"technical_owner":             "technical_owner technical_contact it_owner",
		"department":                  "department dept division business_unit org_unit",
		"application_name":            "application_name app_name=.90 application=.85 app",
		"technology_stack":            "technology_stack tech_stack=.90 technologies stack",
		"criticality":                 "criticality critical importance tier",
		"business_criticality":        "business_criticality",
		"migration_priority":          "migration_priority priority=.85",
		"six_r_strategy":              "six_r_strategy sixr_strategy=.90 migration_strategy=.85",
		"migration_wave":              "migration_wave",
		"migration_complexity":        "migration_complexity",
		"sixr_ready":                  "sixr_ready azure_readiness=.70 cloud_readiness=.70 readiness=.65",
		"current_monthly_cost":        "current_monthly_cost current_cost",
		"estimated_cloud_cost":        "estimated_cloud_cost cloud_cost azure_cost=.80 monthly_azure_cost_estimate_usd=.75",
		"status":                      "status state operational_status current_status",
		"migration_status":            "migration_status",
		"description":                 "description notes=.80 comments=.75",
		"cpu_utilization_percent":     "cpu_utilization_percent cpu_utilization",
		"memory_utilization_percent":  "memory_utilization_percent memory_utilization",
		"disk_iops":                   "disk_iops",
		"network_throughput_mbps":     "network_throughput_mbps",
		"completeness_score":          "completeness_score",
		"quality_score":               "quality_score",
		"confidence_score":            "confidence_score",
		"assessment_readiness_score":  "assessment_readiness_score",
		mapping.UNMAPPED:              "recommended_azure_vm_size _internal id UUID created_at updated_at",
		mapping.UNMAPPED + " no more": "vendor serial_number",
	} {
		for _, text := range strings.Fields(headers) {
			header, number, _ := strings.Cut(text, "=")
			m, err := p.Map([]string{header}, mapping.MapOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := header + " -> " + strings.TrimSuffix(column, " no more")
			if number != "" {
				want += " 0" + number
			}
			got, _, _ := strings.Cut(arrows(m), " or ")
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// TestColumnsOfDecember: a header goes into a column that came later only where the table has it.
func TestColumnsOfDecember(t *testing.T) {
	t.Parallel()
	p := profile(t)
	columns := []mapping.Column{{Name: "name", Type: "character varying(255)"}, {Name: "department", Type: "character varying(100)"}, {Name: "custom_attributes", Type: "json"}}
	later := append(slices.Clone(columns), mapping.Column{Name: "business_unit", Type: "character varying(100)"}, mapping.Column{Name: "serial_number", Type: "character varying(100)"})
	for want, columns := range map[string][]mapping.Column{
		"name -> name 0.95 or asset_name\nbusiness_unit -> department\nS/N -> UNMAPPED":         columns,
		"name -> name 0.95 or asset_name\nbusiness_unit -> business_unit\nS/N -> serial_number": later,
	} {
		m, err := p.Map([]string{"name", "business_unit", "S/N"}, mapping.MapOptions{Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		if got := arrows(m); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	october := p.KeysOf([]mapping.Column{{Name: "client_account_id"}, {Name: "engagement_id"}, {Name: "name"}, {Name: "asset_type"}, {Name: "hostname"}, {Name: "fqdn"}, {Name: "ip_address"}})
	if len(october) != 1 || october[0][2] != "name" {
		t.Errorf("keys of October: %v", october)
	}
	december := p.KeysOf([]mapping.Column{{Name: "client_account_id"}, {Name: "engagement_id"}, {Name: "name"}, {Name: "asset_type"}, {Name: "hostname"}, {Name: "fqdn"}, {Name: "ip_address"}, {Name: "deleted_at"}})
	if len(december) != 4 || december[0][3] != "asset_type" {
		t.Errorf("keys of December: %v", december)
	}
}

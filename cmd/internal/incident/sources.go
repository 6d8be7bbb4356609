package main

import (
	"fmt"
	"strings"
)

// record is one line of an uploaded file: header and value, all text.
type record map[string]string

// headers are those of an uploaded inventory, with the asset column that each is
// mapped to.
func headers() [][2]string {
	return [][2]string{
		{"CI Type", "asset_type"},
		{"Name", "name"},
		{"Host Name", "hostname"},
		{"IP Address", "ip_address"},
		{"OS", "operating_system"},
		{"OS Version", "os_version"},
		{"Environment", "environment"},
		{"Application", "application_name"},
		{"Department", "department"},
		{"Owner", "business_owner"},
		{"Status", "UNMAPPED"},
		{"Description", "description"},
		{"Location", "location"},
		{"CPU Cores", "cpu_cores"},
		{"Memory GB", "memory_gb"},
		{"Storage GB", "storage_gb"},
	}
}

// records makes the lines of an upload. first numbers them within the tenant, so
// that names and addresses are unique in it.
func (w *world) records(t *tenant, u upload, first int) []record {
	records := make([]record, u.rows)
	for i := range records {
		n := first + i
		kind := pick(w, "Server", "Server", "Server", "Application", "Database", "Network Device", "Virtual Machine")
		name := fmt.Sprintf("%s-%s-%02d", pick(w, "prod", "prod", "stage", "dev"), strings.ToLower(strings.Fields(kind)[0]), n)
		system := pick(w, "Ubuntu", "RHEL", "Windows Server", "Cisco IOS", "AIX")
		records[i] = record{
			"CI Type": kind, "Name": name, "Host Name": name + "." + t.domain, "IP Address": fmt.Sprintf("10.%d.%d.%d", t.network, n/200, 10+n%200),
			"OS": system, "OS Version": pick(w, "8.9", "20.04 LTS", "2019", "15.2", "7.3", ""), "Environment": pick(w, "Production", "Production", "Staging", "Development"),
			"Application": pick(w, "Payment Processing", "Order Management", "Customer Portal", "Analytics", "Größentabelle", ""),
			"Department":  pick(w, "IT", "Finance", "Sales", "Operations"), "Owner": pick(w, "Sarah Johnson", "Mike Brown", "Lisa Wang", "Seán O'Dea", "Łukasz Nowak"),
			"Status": pick(w, "Active", "Standby", "Retired"), "Description": w.sentence(name),
			"Location": pick(w, "US-East", "US-West", "EU-Central", "DC1 \"old hall\""), "CPU Cores": pick(w, "2", "4", "8", "16", "32", ""),
			"Memory GB": pick(w, "8", "16", "32", "64", "128"), "Storage GB": pick(w, "100", "500", "1000", "2000", ""),
		}
	}
	return records
}

// sentence is prose of a few words up to a few hundred, as people write it into
// inventories.
func (w *world) sentence(about string) string {
	words := []string{
		"runs", "the", "nightly", "batch", "for", about, "and", "feeds", "ledger", "reports", "behind", "load", "balancer", "since", "2019;",
		"patched", "every", "quarter,", "backup\tat", "02:00,", "owner", "unknown", "C:\\data", "übernommen", "von", "Altsystem",
	}
	count := 4 + w.dice.IntN(9)
	if w.dice.IntN(9) == 0 {
		count = 150 + w.dice.IntN(250)
	}
	text := make([]string, count)
	for i := range text {
		text[i] = words[w.dice.IntN(len(words))]
	}
	return strings.Join(text, " ")
}

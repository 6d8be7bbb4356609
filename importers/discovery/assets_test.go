package discovery

import (
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// TestAssetType is the table of fact sheet 2.4 for path P, and what stands in more than one line of it.
func TestAssetType(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Application": "application", "WebApp": "application", "APP": "application",
		"Server": "server", "db-srv": "server", "Database Server": "server", "app server": "application",
		"Database": "database", "MongoDB": "database", "DB": "database",
		"Network Device": "network", "Core Switch": "network", "router": "network", "Network Firewall": "network",
		"Storage": "storage", "SAN": "storage", "NAS box": "storage",
		"Security": "security_group", "Firewall": "security_group",
		"Container": "container", "Service": "application", "Cache": "database", "External": "other",
		"Load Balancer": "load_balancer", "Virtual Machine": "virtual_machine", "Balancer": "balancer", "virtual": "virtual",
		"": "other", "Mainframe": "mainframe", "ÄRGER": "ärger", " ": " ",
	} {
		if got := assetType(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestNamesAsApp: path P takes the name, the host name or the address, and otherwise counts (fact sheet 2.5).
func TestNamesAsApp(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "name|hostname|ip_address|Environment|environment|asset_type",
		"n1|h1|10.0.0.1|x|Test|Server", "|h2|10.0.0.2|x||", "||10.0.0.3|x|prod|Mainframe", "|||x|~|db", "|||x||", "n1|h6|10.0.0.6|x||")
	im := newImport(t, l, Options{Store: AsApp})
	same(t, "name", column(t, im, tableAssets, "name"), "n1", "h2", "10.0.0.3", "unnamed_asset_4", "unnamed_asset_5")
	same(t, "asset_name", column(t, im, tableAssets, "asset_name"), "n1", "h2", "10.0.0.3", "unnamed_asset_4", "unnamed_asset_5")
	same(t, "hostname: an empty text is one", column(t, im, tableAssets, "hostname"), "h1", "h2", "", "", "")
	same(t, "environment", column(t, im, tableAssets, "environment"), "Test", "production", "prod", "production", "production")
	same(t, "asset_type", column(t, im, tableAssets, "asset_type"), "server", "other", "mainframe", "database", "other")
	if s := im.Summary(); s.Duplicates != 1 {
		t.Errorf("%d records are the asset of another, want 1: the sixth is n1", s.Duplicates)
	}
}

// TestValuesOfOtherKinds: what JSON and sheets know beside texts.
func TestValuesOfOtherKinds(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatXLSX, "name|hostname|ip_address", `n1|#N/A|\N`, "=17|~|a")
	im := newImport(t, l, Options{Store: AsApp})
	same(t, "name", column(t, im, tableAssets, "name"), "n1", "17")
	same(t, "hostname: what cannot be had is unknown", column(t, im, tableAssets, "hostname"), "unknown: the cell says #N/A", "")
	same(t, "ip_address", column(t, im, tableAssets, "ip_address"), "NULL", "a")
}

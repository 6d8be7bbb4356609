package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The ids that the application knows by heart.
const (
	demoClient     = "11111111-1111-1111-1111-111111111111"
	demoEngagement = "22222222-2222-2222-2222-222222222222"
	demoUser       = "33333333-3333-3333-3333-333333333333"
)

// tenant is one client account.
type tenant struct {
	client, engagement string
	name, slug, domain string
	network            int // second octet of its addresses
	users              []string
	uploads            []upload
	assets             []asset // those in the inventory
	flows              []flow
}

// flow is a master flow of a tenant.
type flow struct{ id, importID string }

// upload is a file that somebody of the tenant sends through the import path.
type upload struct {
	filename, category string
	rows               int
	inventory          bool // goes on to assets
	fails              bool // stops before a flow exists
	fallback           bool // sent without a user: the application notes the demo user
}

func (w *world) newTenants() {
	demo := &tenant{
		client: demoClient, engagement: demoEngagement, name: "Demo Corporation", slug: "demo-corp", domain: "demo-corp.com", network: 1,
		users: []string{demoUser, "44444444-4444-4444-4444-444444444444", "55555555-5555-5555-5555-555555555555", "66666666-6666-6666-6666-666666666666"},
		uploads: []upload{
			{filename: "enterprise-servers.csv", category: "cmdb", rows: 23, inventory: true},
			{filename: "business-applications.csv", category: "app-discovery", rows: 14, inventory: true},
			{filename: "network-devices.csv", category: "cmdb", rows: 18},
			{filename: "second-site.csv", category: "cmdb", rows: 12},
			{filename: "storage-arrays.csv", category: "cmdb", rows: 20},
			{filename: "databases.csv", category: "cmdb", rows: 8, fails: true},
			{filename: "virtual-machines.csv", category: "cmdb", rows: 15},
			{filename: "late-additions.csv", category: "cmdb", rows: 5},
		},
	}
	w.tenants = []*tenant{demo}
	for i, name := range []string{"Nordwind Logistik", "Atlas Health Partners", "Café Olé Group", "O'Brien & Sons"} {
		slug := strings.ToLower(strings.NewReplacer(" ", "-", "é", "e", "'", "", "&", "and").Replace(name))
		other := &tenant{client: w.uuid(), engagement: w.uuid(), name: name, slug: slug, domain: slug + ".example", network: 2 + i}
		for range 3 {
			other.users = append(other.users, w.uuid())
		}
		for n := range 6 {
			other.uploads = append(other.uploads, upload{
				filename: fmt.Sprintf("inventory-%d.csv", n+1), category: "cmdb", rows: 22 + 3*i + n,
				inventory: n < 3, fails: n == 4, fallback: i == 1 && n == 0,
			})
		}
		w.tenants = append(w.tenants, other)
	}
}

// demo is the tenant that will be hurt.
func (w *world) demo() *tenant { return w.tenants[0] }

// others are the tenants that live on.
func (w *world) others() []*tenant { return w.tenants[1:] }

// settle inserts the accounts, as the application's setup does.
func (w *world) settle(ctx context.Context) error {
	for _, t := range w.tenants {
		at := w.tick(3600)
		statements := []string{
			insert("client_accounts", field{"id", t.client}, field{"name", t.name}, field{"slug", t.slug},
				field{"industry", pick(w, "Technology", "Logistics", "Health", "Retail")},
				field{"settings", map[string]any{"currency": "EUR", "locale": pick(w, "de-DE", "en-US")}}, field{"created_at", at}),
			insert("engagements", field{"id", t.engagement}, field{"client_account_id", t.client}, field{"name", t.name + " Cloud Migration Project"},
				field{"slug", t.slug + "-cloud-migration"}, field{"engagement_lead_id", t.users[0]}, field{"start_date", at.Truncate(24 * time.Hour)}, field{"created_at", at}),
		}
		for n, id := range t.users {
			role := []string{"manager", "analyst", "viewer", "client.admin"}[n]
			statements = append(statements, insert("users", field{"id", id}, field{"email", role + "@" + t.domain},
				field{"password_hash", "$2b$12$" + strings.ReplaceAll(w.uuid()+w.uuid(), "-", "")[:53]},
				field{"first_name", pick(w, "Ana", "Ben", "Chloé", "Dmitri")}, field{"last_name", pick(w, "Moreno", "Schulz", "Okafor", "Tanaka")},
				field{"is_verified", true}, field{"default_client_id", t.client}, field{"default_engagement_id", t.engagement},
				field{"username", t.slug + "." + role}, field{"created_at", at}, field{"updated_at", at}, field{"is_admin", n == 0}))
		}
		if err := w.transaction(ctx, statements...); err != nil {
			return fmt.Errorf("settle %s: %w", t.slug, err)
		}
	}
	return nil
}

package discovery

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The tenant that the application makes again at every start (fact sheet 1.5).
var (
	demoClient     = uuid.MustParse("11111111-1111-1111-1111-111111111111")
	demoEngagement = uuid.MustParse("22222222-2222-2222-2222-222222222222")
)

// CreateTenant says what is made of a tenant that does not exist. What exists is left alone. Of the
// demo tenant the application's own names are taken when they are left out here.
type CreateTenant struct {
	ClientName     string
	EngagementName string
	UserEmail      string
}

// names fills in what is known of the demo tenant.
func (c CreateTenant) names(t Tenant) (client, clientSlug, engagement, engagementSlug string) {
	client, engagement = c.ClientName, c.EngagementName
	if client == "" && t.ClientAccount == demoClient {
		client, clientSlug = "Demo Corporation", "demo-corp"
	}
	if engagement == "" && t.Engagement == demoEngagement {
		engagement, engagementSlug = "Demo Cloud Migration Project", "demo-cloud-migration"
	}
	if clientSlug == "" {
		clientSlug = slug(client)
	}
	if engagementSlug == "" {
		engagementSlug = slug(engagement)
	}
	return client, clientSlug, engagement, engagementSlug
}

// slug is a name in lower case, with a dash for each run of what is neither letter nor digit.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}

// Check says what is missing of the names.
func (c CreateTenant) Check(t Tenant) error {
	client, _, engagement, _ := c.names(t)
	var missing []string
	if client == "" {
		missing = append(missing, "the client account's name")
	}
	if engagement == "" {
		missing = append(missing, "the engagement's name")
	}
	if t.User != uuid.Nil && c.UserEmail == "" {
		missing = append(missing, "the user's e-mail address")
	}
	if len(missing) == 0 {
		return nil
	}
	return &evidence.Error{
		Op: "discovery: make the tenant", Place: t.ClientAccount.String(),
		Err:  fmt.Errorf("without %s", strings.Join(missing, " and ")),
		Hint: "no name is invented; name what is missing",
	}
}

// tenantTables are the rows that the tenant consists of, if they are to be made.
func (im *Import) tenantTables() []Table {
	if im.opts.Create == nil {
		return nil
	}
	t := im.opts.Tenant
	client, clientSlug, engagement, engagementSlug := im.opts.Create.names(t)
	tables := []Table{
		im.one(tableClients, []string{"id", "name", "slug"}, nil, func(w *writer) error {
			w.strings(0, t.ClientAccount.String(), client, clientSlug)
			return nil
		}),
		im.one(tableEngagements, []string{"id", "client_account_id", "name", "slug"}, nil, func(w *writer) error {
			w.strings(0, t.Engagement.String(), t.ClientAccount.String(), engagement, engagementSlug)
			return nil
		}),
	}
	if im.opts.Create.UserEmail == "" {
		return tables
	}
	user := t.User
	if user == uuid.Nil {
		user = demoUser
	}
	return append(tables, im.one(tableUsers, []string{"id", "email"}, nil, func(w *writer) error {
		w.strings(0, user.String(), im.opts.Create.UserEmail)
		return nil
	}))
}

// CheckTenant asks whether the tenant exists: ErrNoTenant says what does not, and ErrWrongTenant
// that the engagement is another client account's. It reads only the three rows by their keys.
func CheckTenant(ctx context.Context, q Querier, schema string, t Tenant) error {
	user := t.User
	if user == uuid.Nil {
		user = demoUser
	}
	name := func(table string) string { return evidence.RelationName{Schema: schema, Name: table}.String() }
	sql := "SELECT (SELECT name FROM " + name(tableClients) + " WHERE id = $1::uuid), (SELECT client_account_id FROM " + name(tableEngagements) +
		" WHERE id = $2::uuid), (SELECT id FROM " + name(tableUsers) + " WHERE id = $3::uuid)"
	parameters := [][]byte{[]byte(t.ClientAccount.String()), []byte(t.Engagement.String()), []byte(user.String())}
	var cause error
	err := q.Query(ctx, "discovery: look for the tenant", sql, parameters, func(row [][]byte) error {
		var missing []string
		for i, what := range []string{"client account " + t.ClientAccount.String(), "engagement " + t.Engagement.String(), "user " + user.String()} {
			if row[i] == nil {
				missing = append(missing, "there is no "+what)
			}
		}
		if owner := string(row[1]); row[1] != nil && owner != t.ClientAccount.String() {
			cause = &evidence.Error{
				Op: "discovery: look for the tenant", Place: "engagement " + t.Engagement.String(),
				Err:  evidence.OfKind(ErrWrongTenant, fmt.Errorf("it belongs to client account %s, and not to %s", owner, t.ClientAccount)),
				Hint: "nothing was written; check both ids",
			}
		} else if len(missing) > 0 {
			cause = &evidence.Error{
				Op: "discovery: look for the tenant", Place: schema,
				Err:  evidence.OfKind(ErrNoTenant, fmt.Errorf("%s", strings.Join(missing, ", "))),
				Hint: "start the application once, which makes the demo tenant again, or ask for the tenant to be made",
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cause
}

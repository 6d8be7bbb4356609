package main

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// importRun is one call of import.
type importRun struct {
	options  *importOptions
	terminal *term.Terminal
	found    *recorder // nil: there is no case
	intoCase bool
	now      time.Time
	sources  importSources
	target   *importTarget
	made     []*importMade
	bySource map[string]*importMade // by the source that their rows name
	merged   []*mergedTable
	checked  map[discovery.Tenant]bool      // that are there
	together map[string]*discovery.Together // by client account and engagement
	receipts []*importReceipt
	bases    map[string]bool           // of files of rejects
	rejects  []*importers.RejectWriter // that are not closed yet
	lists    []*importList
	out      importOut
	// the row that was heard last
	lastHeard  *importMade
	lastSource string
}

// importGC is how much garbage, in percent, may lie beside what an import has in use.
const importGC = 25

func runImport(ctx context.Context, options *importOptions, paths []string, terminal *term.Terminal, found *recorder) (err error) {
	// Rows go through memory without being allocated, so all that is large there stays: the keys of
	// assets, and the copy of all rows in the states of flows.
	debug.SetGCPercent(importGC)
	r := &importRun{
		options: options, terminal: terminal, found: found, now: time.Now().UTC(), bySource: map[string]*importMade{}, checked: map[discovery.Tenant]bool{}, together: map[string]*discovery.Together{}, bases: map[string]bool{},
		sources: importSources{terminal: terminal, trail: found.Trail()},
	}
	// A case that is only nearby gets rows when it was said how they are to be stored.
	r.intoCase = found != nil && !options.apply && options.via == "sql" && options.knowsColumns() && options.chosen()
	defer func() { err = errors.Join(err, r.sources.end()) }()
	defer r.discardRejects()
	if r.target, err = openTarget(ctx, options, terminal, found); err != nil {
		return err
	}
	defer r.target.close()
	if err := r.confirm(); err != nil {
		return err
	}
	lists, err := r.sources.lists(ctx, options, paths)
	if err != nil {
		return err
	}
	r.lists = lists
	if err := options.checkNamed(lists); err != nil {
		return err
	}
	for _, list := range lists {
		made, err := r.make(ctx, list)
		if err != nil {
			return importError(err)
		}
		r.made = append(r.made, made)
	}
	if r.merged, err = merge(ctx, r.made, r.target.shapes); err != nil {
		return err
	}
	return r.act(ctx)
}

// make says what a list is made into.
func (r *importRun) make(ctx context.Context, list *importList) (*importMade, error) {
	made := &importMade{importList: list, watch: &watched{List: list.List, terminal: r.terminal, show: true}}
	if err := r.reject(made); err != nil {
		return nil, err
	}
	var err error
	if made.profile, err = r.profile(list); err != nil {
		return nil, err
	}
	if list.options.table != "" {
		return made, r.makeTable(ctx, made)
	}
	return made, r.discover(ctx, made)
}

// discover makes the rows of the application's import path.
func (r *importRun) discover(ctx context.Context, made *importMade) error {
	o := made.options
	tenant, err := made.tenant()
	if err != nil {
		return err
	}
	made.tenantIDs = tenant
	made.whose.ClientAccount, made.whose.Engagement, made.whose.User = tenant.Texts()
	schema, err := r.applicationSchema(ctx)
	if err != nil {
		return err
	}
	if made.mapping, err = r.mapHeader(made, r.target.assetColumns()); err != nil {
		return err
	}
	if err := r.checkTenant(ctx, made, tenant); err != nil {
		return err
	}
	known, err := r.known(ctx, made, tenant, schema)
	if err != nil {
		return err
	}
	beside := r.beside(made, tenant)
	if beside != nil {
		known = discovery.Prefer(known, beside)
	}
	made.known = discovery.Hear(known)
	opts := discovery.Options{
		Tenant: tenant, Category: o.category, Store: discovery.AsMapped, Until: discovery.Until(o.until), Mapping: made.mapping,
		Schema: schema, Known: made.known, Beside: beside, Now: r.now, State: true, Holds: r.target.holds(), Rejects: made.trouble.put, Refused: made.trouble.put,
	}
	if o.storeAsApp() {
		opts.Store = discovery.AsApp
	}
	if request := made.request; request != nil {
		opts.Filename = request.Filename
		if opts.Category == "" {
			opts.Category = request.Category
		}
	}
	if made.receipt != nil {
		opts.Filename = made.receipt.Source.Imported
	}
	if o.create {
		opts.Create = &discovery.CreateTenant{ClientName: o.clientName, EngagementName: o.engagementName, UserEmail: o.userEmail}
		if err := opts.Create.Check(tenant); err != nil {
			return exitcode.With(exitcode.Usage, err)
		}
	}
	made.discovered, err = discovery.New(ctx, made.watch, opts)
	made.watch.show = false
	switch {
	case errors.Is(err, discovery.ErrEmpty): // the person sees why, and the other files are not lost
		made.empty, made.discovered, err = err, nil, nil
		made.tables = func(context.Context) []discovery.Table { return nil }
	case err == nil:
		made.tables = made.discovered.Tables
	}
	return err
}

// profile finds the profile of a list: that of its receipt, the one that was named, or discovery.
func (r *importRun) profile(list *importList) (*mapping.Profile, error) {
	o := list.options
	switch {
	case list.receipt != nil:
		return mapping.Parse(list.receipt.Profile.Name, []byte(list.receipt.Profile.Text))
	case o.profile == "" && o.table != "":
		return nil, nil // made of the table's columns
	}
	return findProfile(o.profile)
}

// mapHeader applies the profile to the header of a list. What --map names must be a header of
// some list, and of this one only if it has it.
func (r *importRun) mapHeader(made *importMade, columns []mapping.Column) (*mapping.Mapping, error) {
	named, err := made.options.namedColumns()
	if err != nil {
		return nil, err
	}
	header := made.Head().Header
	if len(r.lists) > 1 {
		for name := range named {
			if !slices.Contains(header, name) {
				delete(named, name)
			}
		}
	}
	return made.profile.Map(header, mapping.MapOptions{Named: named, Columns: columns})
}

// reject begins the files of rejects of a list, where they are wanted.
func (r *importRun) reject(made *importMade) error {
	base, wanted, err := r.rejectsBase(made)
	if err == nil && wanted {
		made.trouble.writer = importers.NewRejectWriter(base, made.Head())
		r.rejects = append(r.rejects, made.trouble.writer)
	}
	return err
}

var errNoTenantNamed = errors.New("import: say whose rows they are")

func (l *importList) tenant() (discovery.Tenant, error) {
	o := l.options
	client, engagement, user := o.client, o.engagement, o.user
	if request := l.request; request != nil && client == "" && engagement == "" {
		client, engagement = request.ClientAccount, request.Engagement
	}
	if client == "" && engagement == "" && !o.apply && !o.knowsColumns() {
		return discovery.Tenant{}, nil // a look at the file alone
	}
	if client == "" || engagement == "" {
		return discovery.Tenant{}, exitcode.With(exitcode.Usage, exitcode.Hinted(errNoTenantNamed, "--client-account UUID and --engagement UUID name the tenant; a wrong one would get another's rows"))
	}
	tenant, err := discovery.ParseTenant(client, engagement, user)
	return tenant, exitcode.With(exitcode.Usage, err)
}

// asks reports whether a server is asked.
func (o *importOptions) asks() bool { return o.via == "sql" && (o.dsnGiven || o.apply) }

// applicationSchema finds the application's tables in the target, once, and whether they may
// be read.
func (r *importRun) applicationSchema(ctx context.Context) (*discovery.Schema, error) {
	first := r.target.schemas == nil
	schema, err := r.target.schema(ctx)
	if err != nil || schema == nil || !first {
		return schema, err
	}
	var tables []*restore.TableShape
	for _, name := range discovery.Names() {
		if relation := schema.Tables[name]; relation != nil {
			tables = append(tables, r.target.shapes[relation.String()])
		}
	}
	return schema, r.mayRead(ctx, tables...)
}

// confirm asks whether the target is the one, unless nothing will be changed.
func (r *importRun) confirm() error {
	switch {
	case !r.options.apply:
		return nil
	case r.options.via == "api":
		return r.confirmHost()
	}
	return confirm(r.terminal, "import", r.options.confirm, r.target.card.Database)
}

// checkNamed refuses a --map whose header no list has.
func (o *importOptions) checkNamed(lists []*importList) error {
	named, err := o.namedColumns()
	if err != nil {
		return err
	}
	for _, header := range slices.Sorted(maps.Keys(named)) {
		if !slices.ContainsFunc(lists, func(l *importList) bool { return slices.Contains(l.Head().Header, header) }) {
			return exitcode.Usagef("the headers are: "+strings.Join(lists[0].Head().Header, ", "), "--map %q: no file has such a header", header)
		}
	}
	return nil
}

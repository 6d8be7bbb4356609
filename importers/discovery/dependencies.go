package discovery

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// maxUnresolved is how many unresolved dependencies a Summary lists; it counts all.
const maxUnresolved = 100

// dependencies are the rows of asset_dependencies, where the file names them: only as mapped, since
// no header of a file was mapped at the incident. A dependency is resolved by what a record calls
// itself, or by the name of an asset, in the file first and then in the target.
func (im *Import) dependencies(ctx context.Context) Table {
	names := []string{"id", "asset_id", "depends_on_asset_id", "client_account_id", "engagement_id"}
	sh, assets := im.opts.Schema.shape(tableDependencies, names), im.opts.Schema.shape(tableAssets, im.assetColumns())
	field := im.dependencyField()
	if sh == nil || assets == nil || field < 0 {
		return Table{}
	}
	return Table{Relation: sh.rel, Keys: [][]string{{"asset_id", "depends_on_asset_id"}}, Rows: func(yield func(*evidence.Row, error) bool) {
		im.summary.Unresolved, im.summary.UnresolvedCount = nil, 0
		r := resolver{im: im, field: field, found: map[string]uuid.UUID{}, names: map[string]uuid.UUID{}}
		if err := r.learn(ctx, assets); err != nil {
			yield(nil, err)
			return
		}
		w, m := im.writer(sh), im.assetMaker(assets, im.assetColumns(), true)
		for k, err := range im.records(ctx, heard, nil) {
			var a made
			if err == nil {
				a, err = m.make(k)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if a.refused {
				continue
			}
			for _, on := range r.on(k, a.id, string(m.known(aName))) {
				w.begin(k.Line)
				key := Key(a.id, on.String())
				w.strings(
					0, im.rowID(tableDependencies, key, a.id.String()+" "+on.String()).String(), a.id.String(), on.String(),
					im.opts.Tenant.ClientAccount.String(), im.opts.Tenant.Engagement.String(), // columns of December
				)
				if !yield(w.end(), nil) {
					return
				}
			}
		}
	}}
}

// dependencyField is the header that names what an asset depends on; -1: none does.
func (im *Import) dependencyField() int {
	if im.mapsAssets() {
		for _, f := range im.opts.Mapping.Fields {
			if f.Target == "dependencies" {
				return f.Index
			}
		}
	}
	return -1
}

// resolver finds the assets that records name.
type resolver struct {
	im    *Import
	field int
	found map[string]uuid.UUID // by what records call themselves
	names map[string]uuid.UUID
	done  map[[2]uuid.UUID]bool
}

// learn reads what the records call themselves. The first of two with one name has it.
func (r *resolver) learn(ctx context.Context, assets *shape) error {
	m := r.im.assetMaker(assets, r.im.assetColumns(), true)
	r.done = map[[2]uuid.UUID]bool{}
	identifier := r.im.opts.Mapping.Identifier
	add := func(to map[string]uuid.UUID, name string, id uuid.UUID) {
		if _, taken := to[name]; !taken && name != "" {
			to[name] = id
		}
	}
	for k, err := range r.im.records(ctx, heard, nil) {
		if err != nil {
			return err
		}
		a, err := m.make(k)
		if err != nil {
			return err
		}
		if a.refused {
			continue
		}
		add(r.names, string(m.known(aName)), a.id)
		if v := r.im.fieldValue(k, identifier); v.State == evidence.Known {
			add(r.found, strings.TrimSpace(string(v.Text)), a.id)
		}
	}
	return nil
}

// on lists what an asset depends on, each once.
func (r *resolver) on(k *kept, of uuid.UUID, from string) []uuid.UUID {
	var list []uuid.UUID
	for _, name := range dependencyNames(&k.Fields[r.field]) {
		id, ok := r.resolve(name)
		switch {
		case !ok:
			r.unresolved(Unresolved{Line: k.Line, From: from, On: name})
		case id == of:
			r.unresolved(Unresolved{Line: k.Line, From: from, On: name, Itself: true})
		case !r.done[[2]uuid.UUID{of, id}]:
			r.done[[2]uuid.UUID{of, id}] = true
			list = append(list, id)
		}
	}
	return list
}

func (r *resolver) resolve(name string) (uuid.UUID, bool) {
	if id, ok := r.found[name]; ok {
		return id, true
	}
	if id, ok := r.names[name]; ok {
		return id, true
	}
	return r.im.opts.Known.Row(tableAssets, string(appendAssetKey(nil, true, "name", []byte(name))))
}

func (r *resolver) unresolved(u Unresolved) {
	if r.im.summary.UnresolvedCount++; len(r.im.summary.Unresolved) < maxUnresolved {
		r.im.summary.Unresolved = append(r.im.summary.Unresolved, u)
	}
}

// dependencyNames takes a field apart: DB001,LB001 or SRV0001;SRV0002, or a list of JSON.
func dependencyNames(f *importers.Field) []string {
	var names []string
	switch f.Kind {
	case importers.Text, importers.Number:
		names = strings.FieldsFunc(string(f.Text), func(r rune) bool { return strings.ContainsRune(";,|", r) })
	case importers.JSON:
		if json.Unmarshal(f.Text, &names) != nil {
			return nil
		}
	}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return name == "" || slices.Contains([]string{"n/a", "na", "-", "none", "null"}, strings.ToLower(name))
	})
}

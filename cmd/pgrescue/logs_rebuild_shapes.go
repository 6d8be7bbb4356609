package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// logShapes knows the shapes of the tables that logs name: of a server, of a snapshot file, of the case, in this order.
type logShapes struct {
	server  *serverShapes // nil: none is asked
	catalog *catalogShapes
	ofCase  []*evidence.Relation
	known   map[evidence.RelationName]*evidence.Relation // nil values: nobody knows
}

// openLogShapes finds out who knows shapes.
func openLogShapes(ctx context.Context, options *logsRebuildOptions, terminal *term.Terminal, found *recorder) (*logShapes, error) {
	shapes := &logShapes{known: make(map[evidence.RelationName]*evidence.Relation)}
	if options.catalogFile != "" {
		snapshot, err := readSnapshot("logs rebuild", options.catalogFile, found)
		if err != nil {
			return nil, err
		}
		shapes.catalog = &catalogShapes{snapshot: snapshot, database: options.database}
		if _, err := snapshot.Database(options.database); options.database != "" && err != nil {
			return nil, libraryError(err)
		}
	} else if options.database != "" {
		return nil, exitcode.Usagef("a server's database stands in --dsn", "--database is for --catalog")
	}
	if found != nil {
		var err error
		if shapes.ofCase, err = shapesOfCase(ctx, found); err != nil {
			return nil, err
		}
	}
	if options.dsnGiven {
		var err error
		if shapes.server, err = openServerShapes(ctx, options, terminal); err != nil {
			return nil, err
		}
	}
	return shapes, nil
}

// readSnapshot reads a file of catalog dump.
func readSnapshot(command, path string, found *recorder) (*catalog.Snapshot, error) {
	file, err := found.Trail().Open(path, evidence.KindCatalog)
	if err != nil {
		return nil, fmt.Errorf("%s: open the catalog: %w", command, err)
	}
	defer file.Close()
	snapshot, err := catalog.Load(file)
	if err != nil {
		return nil, libraryError(&evidence.Error{Op: command + ": read the catalog", Place: path, Err: err, Hint: "`pgrescue catalog dump` makes such a file"})
	}
	return snapshot, nil
}

// relation finds the shape of a table, whose name may lack database and schema.
func (s *logShapes) relation(name evidence.RelationName) (*evidence.Relation, bool) {
	if known, ok := s.known[name]; ok {
		return known, known != nil
	}
	var relation *evidence.Relation
	if s.server != nil {
		relation = s.server.relation(name)
	}
	if relation == nil && s.catalog != nil {
		relation = s.catalog.relation(name)
	}
	if relation == nil {
		relation = onlyOne(s.ofCase, name)
	}
	s.known[name] = relation
	return relation, relation != nil
}

// root gives the partitioned table of which a table is a partition. Cases do not tell the shapes of partitions.
func (s *logShapes) root(name evidence.RelationName) (evidence.RelationName, bool) {
	if s.server != nil {
		if root, ok := s.server.roots[name]; ok {
			return root, true
		}
	}
	if s.catalog == nil {
		return evidence.RelationName{}, false
	}
	return s.catalog.root(name)
}

// canonical gives the text that a server prints for a text of a type.
func (s *logShapes) canonical(typ string, text []byte) ([]byte, bool) {
	if plain, ok := pg.Canonical(typ, text); ok {
		return plain, true
	}
	if s.server == nil {
		return nil, false
	}
	return s.server.canonical(typ, text)
}

// longest is log_parameter_max_length as the server has it; 0: not known.
func (s *logShapes) longest() int {
	if s.server == nil {
		return 0
	}
	return s.server.longest
}

// failure is what went wrong with the server since.
func (s *logShapes) failure() error {
	if s.server == nil {
		return nil
	}
	return restoreError(s.server.err)
}

func (s *logShapes) close() {
	if s.server != nil {
		s.server.conn.Close()
	}
}

// any reports whether anybody knows shapes.
func (s *logShapes) any() bool { return s.server != nil || s.catalog != nil || len(s.ofCase) > 0 }

// shapesOfCase are those of the case's rows whose types are known: those of another log may lack columns.
func shapesOfCase(ctx context.Context, found *recorder) ([]*evidence.Relation, error) {
	relations, err := found.file.Relations(ctx)
	if err != nil {
		return nil, libraryError(err)
	}
	var list []*evidence.Relation
	for i := range relations {
		for _, shape := range slices.Backward(relations[i].Shapes) {
			typed := len(shape.Columns) > 0 && !slices.ContainsFunc(shape.Columns, func(c evidence.Column) bool { return c.Type == "" })
			if typed && relations[i].PartitionOf.Name == "" {
				list = append(list, &evidence.Relation{RelationName: relations[i].RelationName, OID: shape.OID, Columns: present(shape.Columns)})
				break
			}
		}
	}
	return list, nil
}

// present leaves out dropped columns.
func present(columns []evidence.Column) []evidence.Column {
	return slices.DeleteFunc(slices.Clone(columns), func(c evidence.Column) bool { return c.Dropped })
}

// onlyOne finds the one table that a name can mean; of several, one in the schema public.
func onlyOne(list []*evidence.Relation, name evidence.RelationName) *evidence.Relation {
	var found []*evidence.Relation
	for _, relation := range list {
		same := relation.Name == name.Name && (name.Schema == "" || relation.Schema == name.Schema) &&
			(name.Database == "" || relation.Database == "" || relation.Database == name.Database)
		if same {
			found = append(found, relation)
		}
	}
	if len(found) > 1 && name.Schema == "" {
		if rest := slices.DeleteFunc(slices.Clone(found), func(r *evidence.Relation) bool { return r.Schema != "public" }); len(rest) > 0 {
			found = rest
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// catalogShapes knows those of a snapshot file.
type catalogShapes struct {
	snapshot *catalog.Snapshot
	database string
}

func (c *catalogShapes) relation(name evidence.RelationName) *evidence.Relation {
	db, rel := c.find(name)
	if rel == nil {
		return nil
	}
	shape := shapeOf(db, rel)
	relation := relationOf(&shape)
	relation.OID = rel.OID
	return relation
}

// find finds the one table that a name can mean.
func (c *catalogShapes) find(name evidence.RelationName) (*catalog.Database, *catalog.Relation) {
	wanted := name.Database
	if wanted == "" {
		wanted = c.database
	}
	var of *catalog.Database
	var found *catalog.Relation
	for i := range c.snapshot.Databases {
		db := &c.snapshot.Databases[i]
		if wanted != "" && db.Name != wanted {
			continue
		}
		if rel, err := db.Table(name.String()); err == nil {
			if found != nil {
				return nil, nil
			}
			of, found = db, rel
		}
	}
	return of, found
}

func (c *catalogShapes) root(name evidence.RelationName) (evidence.RelationName, bool) {
	db, rel := c.find(name)
	if rel == nil {
		return evidence.RelationName{}, false
	}
	root := db.Root(rel)
	if root == nil {
		return evidence.RelationName{}, false
	}
	return evidence.RelationName{Database: db.Name, Schema: root.Schema, Name: root.Name}, true
}

// openServerShapes connects to a server, and lists the names of its tables.
func openServerShapes(ctx context.Context, options *logsRebuildOptions, terminal *term.Terminal) (*serverShapes, error) {
	conn, err := options.connect(ctx, "logs-rebuild", live.Read)
	if err != nil {
		return nil, restoreError(err)
	}
	s := &serverShapes{ctx: ctx, conn: conn, roots: make(map[evidence.RelationName]evidence.RelationName), types: make(map[string]string), texts: make(map[typedText]serverText)}
	card, err := conn.Card(ctx)
	if err == nil {
		showCard(terminal, card)
		err = s.list()
	}
	if err != nil {
		conn.Close()
		return nil, restoreError(err)
	}
	return s, nil
}

// describe reads the definition of one table.
func (s *serverShapes) describe(name evidence.RelationName) *evidence.Relation {
	shapes, err := restore.DescribeTables(s.ctx, s.conn, []evidence.RelationName{name})
	if err != nil {
		s.err = err
		return nil
	}
	if len(shapes) != 1 {
		return nil
	}
	relation := relationOf(&shapes[0])
	for _, column := range relation.Columns {
		if err := s.learn(column.Type); err != nil {
			s.err = err
			return nil
		}
	}
	return relation
}

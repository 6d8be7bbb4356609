package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// branch is a node of a tree.
type branch struct {
	Text  string
	Note  string
	Value string
	Strip *strip
	Under []branch
}

// fall is the section of which tables fell together.
func (b *builder) fall() section {
	s := section{ID: "fall", Title: "Which tables fell together"}
	if len(b.story.loss) == 0 {
		return s
	}
	if len(b.summary.ForeignKeys) > 0 {
		s.say("Below each transaction stand its tables, parents first: a table stands below the one that it refers to by a foreign key. ON DELETE CASCADE takes its rows along with those of the parent; without it a statement of its own took them.")
	} else {
		s.say("Below each transaction stand its tables, in the order in which the WAL has their first destroyed row.")
		s.note("%s", b.unknownKeys())
	}
	var tree []branch
	table := newGrid("What each transaction destroyed of each table", number("Transaction"), number("Order"), text("Table"), text("How"), number("Row versions"), text("Below"), mono("First record"), text("A statement in the logs"))
	diagram := newDiagram()
	for i, d := range b.story.loss {
		family := b.family(d)
		if i < mostBars {
			tree = append(tree, b.fallen(d, family))
			b.draw(diagram, d, family)
		}
		for n := range d.Tables {
			t := &d.Tables[n]
			line := b.named(d, t)
			if line == "" {
				line = "none names it"
			}
			below := "–"
			if up := family[n].parent; up >= 0 {
				below = b.fallenName(&d.Tables[up]) + ", " + b.keyText(family[n].key)
			}
			if len(table.Rows) < mostTables {
				table.add(fmt.Sprint(d.XID), fmt.Sprint(n+1), b.fallenName(t), string(t.Operation), count(t.Versions), below, t.First.String(), line)
			}
		}
	}
	table.more(int64(len(table.Rows)), b.destroyed.Tables, "tables of transactions", "case export has the whole ledger.")
	s.Blocks = append(s.Blocks, block{Tree: tree}, block{Figure: &figure{Diagram: diagram.String()}})
	s.grid(table)
	return s
}

// unknownKeys says what the case does not tell.
func (b *builder) unknownKeys() string {
	text := "By which foreign key one table pulled another down, the case does not tell: it holds no foreign keys. "
	if b.summary.Events > 0 && b.logsNameTables() {
		return text + "Where a statement in the logs names a table in that transaction, it is told; the others fell by a cascade, by a trigger, or by a statement that no log here shows."
	}
	return text + "No statement in its logs names a table of these transactions either, so a cascade and a statement of its own look the same here."
}

func (b *builder) logsNameTables() bool {
	return slices.ContainsFunc(b.story.loss, func(d *destroyer) bool {
		return slices.ContainsFunc(d.Tables, func(t casefile.Destroyed) bool { return b.named(d, &t) != "" })
	})
}

// named finds the statement of a log that names a table in a transaction: its place. One
// that failed, or of which nothing says that it ran, destroyed nothing.
func (b *builder) named(d *destroyer, t *casefile.Destroyed) string {
	for i := range b.story.shown[rankLoss] {
		e := &b.story.shown[rankLoss][i]
		sure := badge(e.Certainty)
		if e.Source == sourceWAL || e.detail.XID != d.XID || e.detail.Verb == "" || sure != "committed" && sure != "executed" {
			continue
		}
		if name := e.detail.Table; name != "" && (name == t.Name || name == t.RelationName.String() || strings.HasSuffix(name, "."+t.Name) && t.Schema == "") {
			return fmt.Sprintf("%s, %s", e.detail.Verb, b.reference(e).Text)
		}
	}
	return ""
}

// fallenName names a table of a transaction.
func (b *builder) fallenName(t *casefile.Destroyed) string {
	return b.say.text(b.databaseOf(t.RelationName) + t.RelationName.String())
}

// mostLeaves is how many tables stand below a transaction in the drawing.
const mostLeaves = 30

func (b *builder) fallen(d *destroyer, family []place) branch {
	root := branch{Text: transactionName(d.XID), Note: b.ended(d), Value: count(d.Versions)}
	told := slices.ContainsFunc(d.Tables, func(t casefile.Destroyed) bool { return b.named(d, &t) != "" })
	most := int64(1)
	for i := range d.Tables {
		most = max(most, d.Tables[i].Versions)
	}
	drawn := 0
	var below func(parent int) []branch
	below = func(parent int) (list []branch) {
		for i := range d.Tables {
			if family[i].parent != parent {
				continue
			}
			if drawn++; drawn > mostLeaves {
				break
			}
			t := &d.Tables[i]
			leaf := branch{Text: b.fallenName(t), Note: string(t.Operation), Value: count(t.Versions), Strip: newStrip(14)}
			if parent >= 0 {
				leaf.Note += ", " + b.keyText(family[i].key)
			}
			if where := b.named(d, t); where != "" {
				leaf.Note += ", by a statement: " + where
			} else if told {
				leaf.Note += ", and no statement in the logs names it"
			}
			leaf.Strip.rect(0, 100*float64(t.Versions)/float64(most), 2, 10, "c-loss", fmt.Sprintf("%s: %s", leaf.Text, leaf.Value))
			leaf.Under = below(i)
			list = append(list, leaf)
		}
		return list
	}
	root.Under = below(noParent)
	if more := len(d.Tables) - mostLeaves; more > 0 {
		root.Under = append(root.Under, branch{Text: plural(int64(more), "more table", "more tables")})
	}
	return root
}

// diagram is a flowchart in Mermaid, whose texts hold nothing that Mermaid reads.
type diagram struct {
	b strings.Builder
	n int
}

func newDiagram() *diagram {
	d := &diagram{}
	d.b.WriteString("flowchart LR\n")
	return d
}

func (d *diagram) node(text string) string {
	d.n++
	id := fmt.Sprintf("n%d", d.n)
	_, _ = fmt.Fprintf(&d.b, "    %s[\"%s\"]\n", id, mermaidText(text))
	return id
}

func (d *diagram) String() string { return d.b.String() }

func (b *builder) draw(d *diagram, one *destroyer, family []place) {
	root := d.node(fmt.Sprintf("%s: %s", transactionName(one.XID), plural(one.Versions, "row version", "row versions")))
	drawn := 0
	var below func(parent int, node string)
	below = func(parent int, node string) {
		for i := range one.Tables {
			if family[i].parent != parent {
				continue
			}
			if drawn++; drawn > mostLeaves {
				return
			}
			t := &one.Tables[i]
			leaf := d.node(fmt.Sprintf("%s: %s", b.fallenName(t), count(t.Versions)))
			arrow := "-->"
			if parent >= 0 && family[i].key.OnDelete != cascadeText {
				arrow = "-.->"
			}
			_, _ = fmt.Fprintf(&d.b, "    %s %s %s\n", node, arrow, leaf)
			below(i, leaf)
		}
	}
	below(noParent, root)
}

// mermaidText leaves what Mermaid takes for text: letters, digits and a few signs.
func mermaidText(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" ._,:/()+-–", r) || r > 0x9f:
			return r
		}
		return '_'
	}, text)
}

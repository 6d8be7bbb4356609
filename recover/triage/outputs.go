package triage

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// Output is one line NAME=VALUE for the blocks of a runbook that branch on a triage.
type Output struct{ Name, Value string }

// Word is the word of a hypothesis in outputs; "none": nothing is named.
func (n HypothesisName) Word() string {
	switch n {
	case Cleanup:
		return "cleanup"
	case Cascade:
		return "cascade"
	case Truncated:
		return "truncated"
	case Recreated:
		return "recreated"
	case Overwrote:
		return "overwrote"
	case Reshaped:
		return "column"
	case Undone:
		return "undone"
	case OldBackup:
		return "old-backup"
	case Unlogged:
		return "unlogged"
	case WrongPlace:
		return "wrong-place"
	case FilesGone:
		return "files-gone"
	case DatabaseDropped:
		return "database"
	}
	return "none"
}

// word is the word of what was hurt in outputs.
func (h Hurt) word() string {
	switch h {
	case HurtPlace:
		return "place"
	case HurtNotKnown:
		return "unknown"
	}
	return string(h)
}

// word is the word of an answer in outputs.
func (c Covers) word() string {
	switch c {
	case CoversPart:
		return "part"
	case CoversUnknown:
		return "unknown"
	}
	return string(c)
}

// Outputs are what a runbook branches on. A name without a value is left out.
func Outputs(f *Facts, r *Report) (list []Output) {
	add := func(name, value string) {
		if value != "" && !strings.ContainsAny(value, "\n\r\x00") { // a line of its own would be another output
			list = append(list, Output{name, value})
		}
	}
	add("HURT", r.Question.Hurt.word())
	add("HYPOTHESIS", r.word())
	losses := r.namedLosses()
	xids := xidsOf(losses)
	if r.Named == DatabaseDropped {
		for _, d := range f.droppedDatabases() {
			xids = append(xids, namesOf([]pg.XID{d.XID})...)
		}
	}
	if len(xids) > 0 {
		add("XID", xids[0])
	}
	for i := range r.Spread {
		xids = append(xids, namesOf(r.Spread[i].XIDs)...)
	}
	if len(xids) <= mostXIDs {
		add("XIDS", strings.Join(xids, " "))
	}
	add("TABLES", strings.Join(r.hurtTables(losses), " "))
	spread := CoversNo
	if len(r.Spread) > 0 {
		spread = CoversYes
	}
	add("SPREAD", spread.word())
	routes := make(map[string]Covers)
	for i := range r.Routes {
		routes[r.Routes[i].Name] = r.Routes[i].Covers
	}
	add("WAL_COVERS", routes["wal"].word())
	add("HEAP_COVERS", routes["heap"].word())
	add("BACKUP_COVERS", better(routes["base backup"], routes["dump"]).word())
	if b := f.newestBefore(losses); b != nil {
		add("BACKUP", b.Path)
	}
	if f.SourcesAsked {
		add("SOURCES", strconv.Itoa(f.fitting(losses)))
	}
	if len(f.Logs) > 0 {
		add("PAYLOADS", strconv.FormatInt(f.payloads(losses), 10))
	}
	return list
}

// WriteOutputs writes outputs, one to a line.
func WriteOutputs(w io.Writer, list []Output) error {
	var text strings.Builder
	for _, output := range list {
		fmt.Fprintf(&text, "%s=%s\n", output.Name, output.Value)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// word is the word of the hypothesis that is named. That something was undone is told where nothing else is.
func (r *Report) word() string {
	undone := slices.ContainsFunc(r.Hypotheses, func(h Hypothesis) bool {
		return h.Name == Undone && (h.Standing == Proven || h.Standing == Supported)
	})
	if r.Named == "" && undone {
		return Undone.Word()
	}
	return r.Named.Word()
}

// namedLosses are the losses that ask for the same first move as the hypothesis that is named.
func (r *Report) namedLosses() (list []*Loss) {
	ways := map[HypothesisName][]Way{
		Truncated: {ByTruncate, ByDrop}, Recreated: {ByTruncate, ByDrop}, Cleanup: {ByDelete}, Cascade: {ByDelete}, Overwrote: {ByUpdate}, Reshaped: {ByColumn},
	}[r.Named]
	for i := range r.Losses {
		if slices.Contains(ways, r.Losses[i].Way) {
			list = append(list, &r.Losses[i])
		}
	}
	return list
}

// mostXIDs bounds the transactions of one output: a longer list is no argument of a command.
const mostXIDs = 5000

func xidsOf(losses []*Loss) []string {
	var xids []pg.XID
	for _, loss := range losses {
		if loss.XID != pg.InvalidXID && !slices.Contains(xids, loss.XID) {
			xids = append(xids, loss.XID)
		}
	}
	return namesOf(xids)
}

func namesOf(xids []pg.XID) (list []string) {
	for _, xid := range xids {
		list = append(list, strconv.FormatUint(uint64(xid), 10))
	}
	return list
}

// hurtTables are the tables that were hurt, each once, quoted where SQL needs it.
func (r *Report) hurtTables(losses []*Loss) (list []string) {
	add := func(name string) {
		if !strings.ContainsAny(name, "\n\r\x00") && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, loss := range losses {
		for i := range loss.Tables {
			add(loss.Tables[i].Name.String())
		}
	}
	for i := range r.Spread {
		add(r.Spread[i].Table.String())
	}
	return list
}

// better is the answer that promises more.
func better(a, b Covers) Covers {
	for _, answer := range []Covers{CoversYes, CoversPart, CoversUnknown, CoversNo} {
		if a == answer || b == answer {
			return answer
		}
	}
	return CoversUnknown
}

// newestBefore is the newest whole backup that precedes the first of the losses and may hold its tables; nil: none does.
func (f *Facts) newestBefore(losses []*Loss) (best *backups.Backup) {
	for i := range f.Backups {
		b := &f.Backups[i]
		if b.Broken != "" || !f.precedes(b, losses) || best != nil && newest(best).After(newest(b)) {
			continue
		}
		best = b
	}
	return best
}

func (f *Facts) precedes(b *backups.Backup, losses []*Loss) bool {
	if len(losses) == 0 {
		return false
	}
	for _, loss := range losses {
		if answer, _ := b.Precedes(loss.End); answer != backups.Yes {
			return false
		}
	}
	if b.Physical() {
		return f.ofThisCluster(b)
	}
	return slices.ContainsFunc(losses[0].Tables, func(t LostTable) bool {
		_, has, known := b.Has(t.Name.Schema, t.Name.Name)
		return has || !known
	})
}

// fitting counts the source files that fit a table that was hurt; without a loss all that fit a table. Those that nobody compared count.
func (f *Facts) fitting(losses []*Loss) (n int) {
	for i := range f.Sources {
		if s := &f.Sources[i]; s.Tables == nil || len(losses) == 0 && len(s.Tables) > 0 || slices.ContainsFunc(losses, func(loss *Loss) bool { return s.fits(loss) }) {
			n++
		}
	}
	return n
}

// payloads counts the statements in logs that show values of a table that was hurt; without a loss of any.
func (f *Facts) payloads(losses []*Loss) (n int64) {
	for i := range f.Logs {
		for table, count := range f.Logs[i].Payloads {
			if len(losses) == 0 || slices.ContainsFunc(losses, func(loss *Loss) bool { return loss.takes(NameOf(table)) }) {
				n += count
			}
		}
	}
	return n
}

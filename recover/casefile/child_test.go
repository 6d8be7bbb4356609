package casefile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The test runs its own binary as a child: what a process leaves when it is killed,
// or holds while another waits, needs a process.
const (
	childRole = "PGRESCUE_CASE_CHILD"
	childDir  = "PGRESCUE_CASE_DIR"
	childSize = "PGRESCUE_CASE_LIMIT" // bytes of the longest file
	childKill = "PGRESCUE_CASE_KILL"  // the step behind which the child kills itself
)

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		m.Run()
		return
	}
	if err := child(role, os.Getenv(childDir)); err != nil {
		fmt.Println("failed", err)
		return
	}
	fmt.Println("done")
}

// child does what its role says, and prints how far it is.
func child(role, dir string) error {
	if limit := os.Getenv(childSize); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	c, err := Open(context.Background(), dir, Create, Options{LockWait: time.Minute, Command: role})
	if err != nil {
		return err
	}
	defer c.Close()
	if role == "hold" {
		fmt.Println("holding")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	}
	// With little cache the database is written to long before the commit.
	if err := sqlitex.ExecuteTransient(c.conn, "PRAGMA cache_size = -64", nil); err != nil {
		return err
	}
	return ingestStory(c, func(step string) {
		if step == os.Getenv(childKill) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing runs behind it
		}
		if !strings.HasPrefix(step, "table") {
			fmt.Println(step)
		}
	})
}

const (
	storyTables = 3
	storyRows   = 1500
)

// ingestStory is a run that finds rows, ledger lines and all else that there is.
func ingestStory(c *Case, tell func(step string)) error {
	r, err := c.Begin(context.Background(), Command{Name: "undelete", Version: "test", Argv: []string{"pgrescue"}, Began: time.Unix(1, 0)})
	if err != nil {
		return err
	}
	tell("begun")
	if err := r.Cluster(7294839201, 150000, "shop"); err != nil {
		return err
	}
	for n := range storyTables {
		rel := orders()
		rel.Name = fmt.Sprintf("orders_%d", n)
		table, err := r.Table(Table{Relation: rel, PartitionOf: evidence.RelationName{Database: "shop", Schema: "public", Name: "orders"}})
		if err != nil {
			return err
		}
		if err := storyTable(r, table, rel, func(row int) { tell(fmt.Sprintf("table %d row %d", n, row)) }); err != nil {
			return err
		}
	}
	tell("committing")
	if err := r.Commit(0); err != nil {
		return err
	}
	tell("committed")
	return nil
}

func storyTable(r *Run, table *RunTable, rel *evidence.Relation, tell func(row int)) error {
	for i := range storyRows {
		route := evidence.RouteHeap
		if i%7 == 0 {
			route = evidence.RouteWAL
		}
		row := orderRow(rel, 0, route, "what was ordered "+strconv.Itoa(i))
		row.Values[0] = known(strconv.Itoa(i))
		row.TID = pg.TID{Block: pg.BlockNumber(i / 50), Offset: pg.OffsetNumber(i%50 + 1)}
		if err := table.Put(row); err != nil {
			return err
		}
		line := LedgerLine{File: "1663/5/16384", TID: row.TID, LSN: row.LSN, XID: 742, Operation: evidence.OpDelete, NamedBy: evidence.RouteWAL, Settled: route}
		if i%100 == 0 {
			line.Settled, line.Reason = "", "its page is gone"
		}
		if err := table.Ledger(line); err != nil {
			return err
		}
		tell(i)
	}
	if err := table.Loss(Loss{XIDs: []pg.XID{742}, Covered: true}); err != nil {
		return err
	}
	if err := r.Event(Event{Time: time.Unix(100, 0), Source: "wal", Certainty: "committed", Message: "DELETE"}); err != nil {
		return err
	}
	if err := r.Evidence(File{Path: "/copy/base/5/16384", Kind: "relation file", Size: 8192, SHA256: "00", How: "read only"}); err != nil {
		return err
	}
	return r.Gap(evidence.Gap{Where: "block 7", What: "page", Why: "checksum"})
}

// childProcess is a child that runs.
type childProcess struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

func startChild(t *testing.T, role, dir string, env ...string) *childProcess {
	t.Helper()
	binary, err := os.Executable()
	must(t, err)
	command := exec.Command(binary)
	command.Env = append(os.Environ(), append(env, childRole+"="+role, childDir+"="+dir)...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	must(t, err)
	in, err := command.StdinPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // it has mostly ended
		_ = command.Wait()
	})
	return &childProcess{command: command, in: in, out: bufio.NewScanner(out)}
}

// until reads what the child prints, up to a line.
func (p *childProcess) until(t *testing.T, want string) {
	t.Helper()
	for p.out.Scan() {
		if p.out.Text() == want {
			return
		}
		if strings.HasPrefix(p.out.Text(), "failed") {
			t.Fatalf("the child %s before %q", p.out.Text(), want)
		}
	}
	t.Fatalf("the child ended before %q", want)
}

// last is the last line that the child prints.
func (p *childProcess) last() string {
	last := ""
	for p.out.Scan() {
		last = p.out.Text()
	}
	return last
}

// contents is everything that runs found, by what people see of it: no numbers of
// lines, and not which run it was.
func contents(t *testing.T, dir string) string {
	t.Helper()
	c, err := Open(context.Background(), dir, Read, Options{LockWait: time.Minute})
	must(t, err)
	defer c.Close()
	var b strings.Builder
	for _, query := range []string{
		`SELECT database, schema, name, route, confidence, source, line, tid, lsn, xmin, xmax, operation, commit_time, note, intermediate,
 complete, key, data, successor FROM row_list ORDER BY name, data, route, lsn, line, source`,
		`SELECT database, schema, name, file, tid, lsn, xid, subxid, operation, commit_time, named_by, settled_by, standing, reason, carved,
 derived, copy, unsure FROM ledger_list ORDER BY name, file, tid, lsn`,
		"SELECT database, schema, name, partition_schema, partition_of, encoding, view FROM relation ORDER BY 1, 2, 3",
		"SELECT place, what, why, consequence FROM gap ORDER BY 1, 2, 3",
		"SELECT time, source, certainty, actor, tenant, statement, message, detail FROM event ORDER BY 1, 2",
		"SELECT path, kind, size, sha256, mtime, how, relfile FROM evidence ORDER BY 1, 4",
		"SELECT relation.name, xids, covered, why, unseen, sequences FROM loss JOIN relation ON relation.id = relation_id ORDER BY 1, 2",
		"SELECT * FROM cluster", "SELECT name, sql FROM sqlite_schema ORDER BY 1",
	} {
		must(t, c.each(query, func(stmt *sqlite.Stmt) error {
			for i := range stmt.ColumnCount() {
				fmt.Fprintf(&b, "%q ", stmt.ColumnText(i))
			}
			b.WriteByte('\n')
			return nil
		}))
	}
	return b.String()
}

// sound fails the test when the case is not what was written.
func sound(t *testing.T, dir string) {
	t.Helper()
	if problems := problemsOf(t, dir); len(problems) > 0 {
		t.Errorf("the case is damaged: %v", problems)
	}
}

func problemsOf(t *testing.T, dir string) []Problem {
	t.Helper()
	c, err := Open(context.Background(), dir, Read, Options{LockWait: time.Minute})
	must(t, err)
	defer c.Close()
	problems, err := c.VerifyIntegrity(context.Background(), nil)
	must(t, err)
	return problems
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestMain lets the scripts run pgrescue in this test's own binary.
func TestMain(m *testing.M) {
	if _, set := os.LookupEnv(backupsVariable); !set { // the folders of this machine are none of the tests' business
		if err := os.Setenv(backupsVariable, ""); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){"pgrescue": main})
}

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands the
// scripts have:
//
//	exits CODE COMMAND…      run the command, which must end with CODE
//	exits-nobody CODE CMD…   the same as a user without rights, also when the test is root
//	fill FILE SIZE           make a file of SIZE zero bytes
//	patch FILE OFFSET HEX    write bytes into a file
//	cut FILE SIZE            shorten a file
//	hold FILE                lock a file as another process, until the script ends
//	incident FOLDER          unpack the demo's evidence into FOLDER
//
//	same-lines FILE FILE     the files hold the same lines, in whatever order
//
// and $TESTDATA, the repository's testdata folder, $XID, the transaction of the
// incident that the demo blames, $ROLLEDBACK, one that was rolled back, and
// $DATABASE, the incident's database.
func TestScripts(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs(filepath.Join(repository, "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(folder, "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s: %v", folder, err)
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	culprit, rehearsal := truth.Transaction("retry"), truth.Transaction("rehearsal")
	if culprit == nil || rehearsal == nil {
		t.Fatal("the incident has no transaction retry or rehearsal")
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(env *testscript.Env) error {
			env.Setenv(backupsVariable, "")
			env.Setenv("TESTDATA", folder)
			env.Setenv("DATABASE", truth.Database)
			env.Setenv("XID", fmt.Sprint(culprit.XID))
			env.Setenv("ROLLEDBACK", fmt.Sprint(rehearsal.XID))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":        exits,
			"exits-nobody": exitsNobody,
			"fill":         fill,
			"patch":        patch,
			"cut":          cut,
			"hold":         hold,
			"incident":     incident,
			"same-lines":   sameLines,
		},
	})
}

// exits is the script command of that name.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	checkCode(ts, want, err)
	checkListed(ts, want, args[1:])
}

// checkListed fails the script when the help page of the command does not name
// the code that it ended with.
func checkListed(ts *testscript.TestScript, code int, args []string) {
	if args[0] != "pgrescue" {
		return
	}
	root, _ := testRoot()
	command, _, err := root.Find(args[1:])
	if err == nil && !codesOf(command).Has(exitcode.Code(code)) {
		ts.Fatalf("%s --help does not list exit code %d", command.CommandPath(), code)
	}
}

// checkCode compares the exit code of a command that ended with err.
func checkCode(ts *testscript.TestScript, want int, err error) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// nobody is the user without rights.
const nobody = 65534

// exitsNobody runs a command as nobody when the test is root. The command's
// stderr goes to the file stderr-nobody.
func exitsNobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits-nobody CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	binary := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[1])
	command := exec.Command(binary, args[2:]...)
	command.Dir = ts.Getenv("WORK")
	if os.Geteuid() == 0 {
		// The paths are this test's own; nobody must be able to reach them.
		for _, path := range []string{filepath.Dir(filepath.Dir(binary)), filepath.Dir(binary), binary, filepath.Dir(ts.Getenv("WORK")), ts.Getenv("WORK")} {
			ts.Check(os.Chmod(path, 0o755))
		}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	output, err := os.Create(ts.MkAbs("stderr-nobody"))
	ts.Check(err)
	defer output.Close()
	command.Stderr = output
	checkCode(ts, want, command.Run())
	checkListed(ts, want, args[1:])
}

// fill is the script command of that name.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fill FILE SIZE")
	}
	size, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file, nil, 0o644))
	ts.Check(os.Truncate(file, size))
}

// patch is the script command of that name.
func patch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: patch FILE OFFSET HEX")
	}
	offset, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	var bytes []byte
	_, err = fmt.Sscanf(args[2], "%x", &bytes)
	ts.Check(err)
	file, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = file.WriteAt(bytes, offset)
	ts.Check(errors.Join(err, file.Close()))
}

// cut is the script command of that name.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE SIZE")
	}
	size, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// hold is the script command of that name.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold FILE")
	}
	file, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	ts.Defer(func() { file.Close() })
	ts.Check(syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
}

// incident is the script command of that name.
func incident(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: incident FOLDER")
	}
	_, err := unpackIncident(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
}

// sameLines is the script command of that name.
func sameLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-lines FILE FILE")
	}
	var sorted [2][]string
	for i, name := range args {
		sorted[i] = strings.Split(ts.ReadFile(name), "\n")
		slices.Sort(sorted[i])
	}
	if len(sorted[0]) < 2 {
		ts.Fatalf("%s holds no line", args[0])
	}
	if !slices.Equal(sorted[0], sorted[1]) {
		ts.Fatalf("%s and %s differ", args[0], args[1])
	}
}

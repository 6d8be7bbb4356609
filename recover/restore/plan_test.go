package restore

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
)

func samplePlan() *Plan {
	return &Plan{
		Format: planFormat, Case: "0123", PlanID: 7, Made: time.Date(2026, 11, 26, 1, 2, 3, 4000, time.UTC), Tool: "test",
		Target:                 live.Card{Endpoint: live.Endpoint{User: "u", Host: "h", Port: 5432}, Database: "d", SystemIdentifier: 1 << 63},
		SourceSystemIdentifier: 1<<64 - 1,
		Options:                Options{Choices: []Choice{{Table: `"Схема"."weird "" name"`, Resolution: FillNulls}}},
		Tables: []TablePlan{{
			Schema: "Схема", Name: `weird " name`, Columns: []ColumnPlan{{Name: "id", Type: "bigint", NotNull: true}}, Key: []string{"id"},
			Counts: map[Action]int64{Insert: 3, Blocked: 1}, Fingerprint: "f",
		}},
		RowsSHA256: "abc",
	}
}

func TestPlanIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plan.json")
	p := samplePlan()
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, p) {
		t.Errorf("read %+v, wrote %+v", got, p)
	}
	if got.Counts()[Insert] != 3 || got.Tables[0].QualifiedName() != `"Схема"."weird "" name"` {
		t.Errorf("counts %v, name %s", got.Counts(), got.Tables[0].QualifiedName())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEditedPlanIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := samplePlan().Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{`"insert": 3`, `"insert": 4`},
		{`"rows_sha256": "abc"`, `"rows_sha256": "abd"`},
		{`"format": 1`, `"format": 2`},
		{`"format": 1`, `"format": 1, "extra": true`},
		{`"user": "u"`, `"user": "v"`},
		{"\n}\n", "\n}\n{}"},
		{"{", ""},
	} {
		edited := strings.Replace(string(text), edit[0], edit[1], 1)
		if edited == string(text) {
			t.Fatalf("%q is not in the plan", edit[0])
		}
		if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); !errors.Is(err, ErrEdited) {
			t.Errorf("%s: the error is %v", edit[1], err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}

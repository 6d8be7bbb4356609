package main

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// TestImportEncodings: characters beyond ASCII keep no file out of a database of another encoding. Columns of
// type jsonb have them as they are, and those of type json as Python escapes them. What an encoding has no place
// for is left out of the copies of the rows alone.
func TestImportEncodings(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	const (
		latin  = "Name,Rémark\nweb-1,Zoë\nweb-2,\"tab\there \"\"q\"\" \\u00e9\"\n"
		beyond = latin + "web-3,10 €\nweb-4,😀日本\n"
		euro   = "Name,Price in €\nweb-1,10 €\n"
		state  = `SELECT encode(convert_to(string_agg(c, '|' ORDER BY c), 'UTF8'), 'hex') FROM (SELECT flow_persistence_data::text AS c FROM migration.crewai_flow_state_extensions UNION ALL SELECT crewai_state_data::text FROM migration.discovery_flows) x`
		raws   = `SELECT string_agg(raw_data::text, '|' ORDER BY row_number) FROM migration.raw_import_records`
	)
	for i, test := range []struct {
		encoding, text string
		rows           string   // of raw records and of assets
		copies         []string // what each state has
		without        []string // and has not
	}{
		{"UTF8", beyond, "4", []string{`"Rémark": "Zoë"`, `"Rémark": "tab\there \"q\" \\u00e9"`, `"10 €"`, `"😀日本"`}, nil},
		{"SQL_ASCII", beyond, "4", []string{`"Rémark": "Zoë"`, `"Rémark": "tab\there \"q\" \\u00e9"`, `"10 €"`, `"😀日本"`}, nil},
		{"LATIN1", latin, "2", []string{`"Rémark": "Zoë"`, `"Rémark": "tab\there \"q\" \\u00e9"`}, nil},
		{"LATIN1", beyond, "4", nil, []string{"raw_data", "Zoë"}},
		{"LATIN1", euro, "1", nil, []string{"raw_data", "detected_columns"}},
	} {
		t.Run(fmt.Sprint(test.encoding, i), func(t *testing.T) {
			s := importSceneOn(t, c, fmt.Sprint("encoding", i), "ENCODING '"+test.encoding+"' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
			path := s.file("données.csv", test.text)
			code := exitcode.Done
			if test.text == euro { // the name of its mapping has no place either
				code = exitcode.Findings
			}
			out, _ := s.apply(code, "--as-mapped", path)
			if s.rows("raw_import_records") != test.rows || s.rows("assets") != test.rows || s.rows("discovery_flows") != "1" {
				t.Fatalf("%s raw records, %s assets, %s flows", s.rows("raw_import_records"), s.rows("assets"), s.rows("discovery_flows"))
			}
			decoded, err := hex.DecodeString(clustertest.Value(t, c, s.database, state)) // whatever the client's encoding
			if err != nil {
				t.Fatal(err)
			}
			states := string(decoded)
			for _, text := range test.copies {
				if strings.Count(states, text) != 2 {
					t.Errorf("the states have not both %s: %s", text, states)
				}
			}
			for _, text := range test.without {
				if strings.Contains(states, text) {
					t.Errorf("a state has %s: %s", text, states)
				}
			}
			if told := strings.Contains(strings.Join(out.Files[0].Notes, "\n"), "no place"); told != (test.copies == nil) {
				t.Errorf("the notes are %q", out.Files[0].Notes)
			}
			stored := clustertest.Value(t, c, s.database, raws)
			if strings.ContainsAny(stored, "éë€😀") || test.text != euro && !strings.Contains(stored, `"R\u00e9mark": "Zo\u00eb"`) {
				t.Errorf("Python's JSON is %s", stored)
			}
			if again, _ := s.apply(code, "--as-mapped", path); sums(again).New != 0 || sums(again).Different != 0 {
				t.Errorf("the second time %+v", again.Tables)
			}
		})
	}
}

package applog

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
)

// chained reads messages, one a line, as a chain; what stands before a tab is the trace.
func chained(t testing.TB, text string) *Chain {
	t.Helper()
	pack, chain := discoveryPack(t), NewChain()
	var match Match
	number := int64(0)
	for line := range strings.Lines(text) {
		number++
		trace, message, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		entry := &logparse.Entry{Place: logparse.Place{Line: number}, Message: []byte(message)}
		if found {
			entry.Fields = []logparse.Field{{Name: "trace_id", Text: []byte(trace)}}
		} else {
			entry.Message = []byte(trace)
		}
		if pack.Match(entry, &match) {
			chain.Add(entry, &match)
		}
	}
	return chain
}

const (
	otherImport = "b1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d"
	otherFlow   = "1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	otherClient = "91111111-2222-4333-8444-555555555555"
)

// anImport is what the application writes of one import, in its order.
func anImport(client, id, master string, rows string) string {
	return strings.NewReplacer("CLIENT", client, "IMPORT", id, "FLOW", master, "ROWS", rows).Replace(`🔄 POST http://h/api/v1/data-import/store-import | IP: 10.0.0.7 | Agent: x...
🔍 Final context: RequestContext(client=CLIENT, engagement=` + engagement + `, user=` + user + `, flow=None)
🔄 Starting import transaction
📥 Parsed 2048 bytes as list with ROWS items
📊 First item keys: ['Server Name', 'OS']
💾 Creating ROWS RawImportRecord entries...
✅ Created DataImport record: IMPORT
✅ Stored ROWS records for import IMPORT
🚀 Creating flow: FLOW (type: discovery)
✅ Linked master flow FLOW to data import IMPORT
`)
}

const ofAssets = `🔗 Associating asset with master_flow_id: FLOW, discovery_flow_id: None
🏷️ Generating asset name: 'web' from data keys: ['Server Name', 'OS']
Created Asset with ID c0ffee00-1234-4567-89ab-cdef01234567
✅ Asset created via service: web (ID: c0ffee00-1234-4567-89ab-cdef01234567)
✅ Asset created via ServiceRegistry: web (ID: c0ffee00-1234-4567-89ab-cdef01234567)
🏷️ Generating asset name: 'db' from data keys: ['Server Name']
Created Asset with ID c0ffee01-1234-4567-89ab-cdef01234567
Asset already exists: cache (ID: c0ffee02-1234-4567-89ab-cdef01234567)
`

func TestChain(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") +
		"✅ Import transaction committed successfully\n🗳️ Transaction completed - data_import " + imported + " with 5 raw records committed to database\n" +
		"✅ POST http://h/api/v1/data-import/store-import | Status: 200 | Time: 0.2s\n" +
		"🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: " + flow + " 🔥🔥🔥\n🔍 DEBUG: First record sample: {'Server Name': 'web', 'OS': None}\n" +
		strings.ReplaceAll(ofAssets, "FLOW", flow)
	chain := chained(t, text)
	if len(chain.Imports) != 1 || len(chain.Loose) != 0 {
		t.Fatalf("%d imports, %d loose assets", len(chain.Imports), len(chain.Loose))
	}
	i := chain.Imports[0]
	if i.ID != imported || i.Rows != 5 || i.Fate != FateCommitted || i.Fate.String() != "committed" || !slices.Equal(i.Headers, []string{"Server Name", "OS"}) || !slices.Equal(i.Flows, []string{flow}) {
		t.Errorf("%+v", i)
	}
	for field, want := range map[string]string{"client_account_id": client, "engagement_id": engagement, "user_id": user, "import_id": imported, "bytes": "2048", "rows": "5"} {
		if claim, ok := i.Claim(field); !ok || claim.Known.Text != want || claim.Doubt != "" || claim.Place.Line == 0 {
			t.Errorf("%s: %+v", field, claim)
		}
	}
	if len(i.Values) != 1 || i.Values[0].Proof != ProvesRow || i.Values[0].Known.Text != "{'Server Name': 'web', 'OS': None}" || i.Values[0].Doubt != "" || i.Values[0].Place.Line != 15 {
		t.Errorf("%+v", i.Values)
	}
	var assets []string
	for _, a := range i.Assets {
		assets = append(assets, a.ID.Known.Text[:8]+" "+a.Name.Known.Text+" "+strings.Join(a.Keys, ",")+" "+map[bool]string{true: "there", false: "made"}[a.There]+" "+map[bool]string{true: "sure", false: "doubt"}[a.Name.Doubt == ""])
	}
	if want := []string{"c0ffee00 web Server Name,OS made sure", "c0ffee01 db Server Name made doubt", "c0ffee02 cache  there sure"}; !slices.Equal(assets, want) {
		t.Errorf("%q, want %q", assets, want)
	}
}

func TestChainRolledBack(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") + "❌ Transaction failed, rolling back: no room\n" +
		anImport(client, otherImport, otherFlow, "7") + "✅ Import transaction committed successfully\n"
	chain := chained(t, text)
	if len(chain.Imports) != 2 {
		t.Fatalf("%d imports", len(chain.Imports))
	}
	one, two := chain.Imports[0], chain.Imports[1]
	if one.ID != imported || one.Fate != FateRolledBack || one.Why != "import rolled back: line 11" || two.ID != otherImport || two.Fate != FateCommitted || two.Rows != 7 {
		t.Errorf("%+v\n%+v", one, two)
	}
	if reason, ok := one.Claim("error"); !ok || reason.Known.Text != "no room" {
		t.Errorf("%+v", reason)
	}
}

// TestChainGivesNothingToAnotherImport: what names a flow of nobody, and what comes long after, is not the last import's.
func TestChainGivesNothingToAnotherImport(t *testing.T) {
	t.Parallel()
	stranger := "77777777-4b5a-4978-8796-a5b4c3d2e1f0"
	text := anImport(client, imported, flow, "5") + "✅ Import transaction committed successfully\n" +
		"✅ Flow status updated to 'lost' for flow " + stranger + "\nExecuting requested phase 'cleansing' for flow ***" + flow[28:] + "\nExecuting requested phase 'x' for flow ***00000000\n" +
		strings.Repeat("Bulk updated 3 field mappings\n", 2*nearby) + "🔍 DEBUG: First record sample: {'a': 1}\n"
	chain := chained(t, text)
	i := chain.Imports[0]
	if status, ok := i.Claim("flow_status"); ok || len(chain.Imports) != 1 || !slices.Equal(i.Flows, []string{flow}) {
		t.Errorf("%+v, %q, %d imports", status, i.Flows, len(chain.Imports))
	}
	if phase, ok := i.Claim("phase"); !ok || phase.Known.Text != "cleansing" || phase.Doubt != "" {
		t.Errorf("%+v", phase)
	}
	if len(i.Values) != 1 || i.Values[0].Doubt == "" {
		t.Errorf("%+v", i.Values)
	}
	// It becomes another import's once a message says so, with what waited.
	chain = chained(t, text+"✅ Linked master flow "+stranger+" to data import "+otherImport+"\n")
	if status, _ := chain.Imports[1].Claim("flow_status"); status.Known.Text != "lost" {
		t.Errorf("%+v", chain.Imports[1])
	}
}

// TestChainGivesUp: an import whose end is not in the log makes no later one doubtful.
func TestChainGivesUp(t *testing.T) {
	t.Parallel()
	text := anImport(client, imported, flow, "5") + strings.Repeat("Bulk updated 3 field mappings\n", silent+1) +
		anImport(otherClient, otherImport, otherFlow, "7") + "✅ Import transaction committed successfully\n"
	chain := chained(t, text)
	if len(chain.Imports) != 2 || chain.Imports[0].Fate != FateUnknown || chain.Imports[0].Why == "" || chain.Imports[1].Fate != FateCommitted || len(chain.Imports[1].Headers) != 2 {
		t.Errorf("%+v\n%+v", chain.Imports[0], chain.Imports[1])
	}
}

// TestChainOfAssetsAtOnce: an asset's flow is doubtful where assets of two flows are made at the same time.
func TestChainOfAssetsAtOnce(t *testing.T) {
	t.Parallel()
	made := func(flow, id string) string {
		return "🔗 Associating asset with master_flow_id: " + flow + ", discovery_flow_id: None\nCreated Asset with ID " + id + "\n"
	}
	links := "✅ Linked master flow " + flow + " to data import " + imported + "\n✅ Linked master flow " + otherFlow + " to data import " + otherImport + "\n"
	chain := chained(t, links+made(flow, asset)+made(otherFlow, child)+strings.Repeat("✅ Starting import transaction\n", nearby)+made(otherFlow, user))
	if len(chain.Imports[0].Assets) != 1 || len(chain.Imports[1].Assets) != 2 {
		t.Fatalf("%+v", chain.Imports)
	}
	for i, a := range []*Asset{chain.Imports[0].Assets[0], chain.Imports[1].Assets[0], chain.Imports[1].Assets[1]} {
		if doubt := a.Flow.Doubt != ""; doubt != (i == 1) {
			t.Errorf("%d: %+v", i, a.Flow)
		}
	}
}

// interleaved mixes the lines of two texts, in turn.
func interleaved(one, two string) string {
	a, b := strings.Split(one, "\n"), strings.Split(two, "\n")
	var mixed strings.Builder
	for i := range a {
		mixed.WriteString(a[i] + "\n" + b[i] + "\n")
	}
	return mixed.String()
}

// TestChainOfAnEndOfNobody: behind a rollback that may have been of either of two imports, the commit of one proves nothing
// of the other, though that one is the last under way.
func TestChainOfAnEndOfNobody(t *testing.T) {
	t.Parallel()
	one, two := anImport(client, imported, flow, "5"), anImport(otherClient, otherImport, otherFlow, "7")
	chain := chained(t, one+"🔄 POST http://h/api/v1/data-import/store-import | IP: 10.0.0.7 | Agent: x...\n🔄 Starting import transaction\n❌ Transaction failed, rolling back: no room\n"+
		strings.SplitAfterN(two, "\n", 4)[3]+"🗳️ Transaction completed - data_import "+otherImport+" with 7 raw records committed to database\n✅ Import transaction committed successfully\n")
	fates := make(map[string]Fate)
	for _, i := range chain.Imports {
		fates[i.ID] = i.Fate
	}
	if fates[imported] != FateUnknown || fates[otherImport] != FateCommitted || !strings.Contains(chain.Imports[0].Why, "may have ended this import's") {
		t.Errorf("%v, %q", fates, chain.Imports[0].Why)
	}
}

// TestChainOfJuly: the messages of an older version, which has the whole body and no transaction.
func TestChainOfJuly(t *testing.T) {
	t.Parallel()
	body := `{"file_data":[{"Server Name":"a"},{"Server Name":"b"}],"metadata":{"filename":"x.csv"}}`
	chain := chained(t, "🔄 POST http://h/api/v1/data-import/store-import | IP: 10.0.0.7 | Agent: x...\n🔍 Headers received: {'authorization': 'Bearer a'}\n🔍 DEBUG: Raw request body: "+body+
		"\n🔍 DEBUG: file_data type: <class 'list'>, length: 2\nNo existing import record found. Creating new DataImport record with ID: "+imported+
		"\n✅ Successfully stored 2 field mappings and initiated discovery flow for import "+imported+"\n✅ POST http://h/api/v1/data-import/store-import | Status: 200 | Time: 0.2s\n")
	if len(chain.Imports) != 1 {
		t.Fatalf("%d imports", len(chain.Imports))
	}
	i := chain.Imports[0]
	if i.ID != imported || i.Rows != 2 || i.Fate != FateUnknown || !strings.Contains(i.Why, "status 200") || len(i.Values) != 1 || i.Values[0].Proof != ProvesBody || i.Values[0].Known.Text != body || i.Values[0].Doubt != "" {
		t.Errorf("%+v", i)
	}
	for _, claim := range i.Claims {
		if strings.Contains(claim.Known.Text, "Bearer") {
			t.Errorf("%+v", claim)
		}
	}
}

// TestChainOfTwoAtOnce: what has no id is not given to either of two imports without a doubt, and the fate of neither is
// told by a commit that names none.
func TestChainOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	one, two := anImport(client, imported, flow, "5"), anImport(otherClient, otherImport, otherFlow, "7")
	text := interleaved(one, two) + "✅ Import transaction committed successfully\n"
	for _, i := range chained(t, text).Imports {
		if i.Fate != FateUnknown || len(i.Headers) != 0 {
			t.Errorf("%+v", i)
		}
		if want := map[string]int64{imported: 5, otherImport: 7, "": -1}[i.ID]; i.Rows != want {
			t.Errorf("%q has %d rows, want %d", i.ID, i.Rows, want)
		}
		if claim, ok := i.Claim("client_account_id"); ok && i.ID != "" && claim.Doubt == "" {
			t.Errorf("%q is %q's without a doubt", i.ID, claim.Known.Text)
		}
	}
	text += "🗳️ Transaction completed - data_import " + otherImport + " with 7 raw records committed to database\n"
	fates := make(map[string]Fate)
	for _, i := range chained(t, text).Imports {
		fates[i.ID] = i.Fate
	}
	if fates[imported] != FateUnknown || fates[otherImport] != FateCommitted {
		t.Errorf("%v", fates)
	}
}

// TestChainByTrace: the same, where each line has the id of its request.
func TestChainByTrace(t *testing.T) {
	t.Parallel()
	traced := func(trace, text string) string {
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, trace+"\t"+line)
		}
		return strings.Join(lines, "")
	}
	one := traced("t1", anImport(client, imported, flow, "5")+"❌ Transaction failed, rolling back: no room\n")
	two := traced("t2", anImport(otherClient, otherImport, otherFlow, "7")+"✅ Import transaction committed successfully\n")
	chain := chained(t, interleaved(one, two))
	if len(chain.Imports) != 2 {
		t.Fatalf("%d imports", len(chain.Imports))
	}
	for n, i := range chain.Imports {
		want := []struct {
			id, client string
			rows       int64
			fate       Fate
		}{{imported, client, 5, FateRolledBack}, {otherImport, otherClient, 7, FateCommitted}}[n]
		tenant, _ := i.Claim("client_account_id")
		if i.ID != want.id || i.Rows != want.rows || i.Fate != want.fate || tenant.Known.Text != want.client || tenant.Doubt != "" || len(i.Headers) != 2 {
			t.Errorf("%+v", i)
		}
	}
}

// TestChainBeginsInTheMiddle: a log that begins within an import, and one with nothing but links.
func TestChainBeginsInTheMiddle(t *testing.T) {
	t.Parallel()
	chain := chained(t, "💾 Creating 5 RawImportRecord entries...\n✅ Created DataImport record: "+imported+"\n✅ Import transaction committed successfully\n")
	if len(chain.Imports) != 1 || chain.Imports[0].ID != imported || chain.Imports[0].Rows != 5 || chain.Imports[0].Fate != FateCommitted {
		t.Errorf("%+v", chain.Imports[0])
	}
	chain = chained(t, "✅ Linked master flow "+flow+" to data import "+imported+"\n📝 AUDIT: {\"flow_id\": \""+flow+"\", \"client_account_id\": \""+client+"\", \"details\": {\"name\": \"***PII_FILTERED***\"}}\n"+
		"🏷️ Generating asset name: 'a' from data keys: ['x']\nCreated Asset with ID "+asset+"\n")
	tenant, ok := chain.Imports[0].Claim("client_account_id")
	if len(chain.Imports) != 1 || chain.Imports[0].Fate != FateUnknown || !ok || tenant.Known.Text != client || len(chain.Loose) != 1 || chain.Loose[0].Name.Known.Text != "a" {
		t.Errorf("%+v, %+v", chain.Imports[0], chain.Loose)
	}
	if empty := chained(t, "✅ Import transaction committed successfully\n🔍 DEBUG: First record sample: {'a': 1}\n"); len(empty.Imports) != 0 {
		t.Errorf("%+v", empty.Imports)
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		state State
		shown string
		fits  []string
		not   []string
	}{
		{"OG-DC-SRV01", Whole, "OG-DC-SRV01", []string{"OG-DC-SRV01"}, []string{"", "OG-DC-SRV0"}},
		{"[REDACTED]s basic", Redacted, `redacted, ends with "s basic"`, []string{"kerberos basic", "ldaps basic"}, []string{"basic", "kerberos", "sos basic", "a'bs basic"}},
		{"[REDACTED]", Redacted, "redacted", []string{"ldap", "a b", ""}, []string{"kerberos", "a\"b"}},
		{"user [REDACTED]sh and [REDACTED]", Redacted, `redacted, begins with "user "`, []string{"user xsh and y"}, []string{"use"}},
		{"***4f2a91c7", Masked, `masked, ends with "4f2a91c7"`, []string{"0f1e2d3c-4b5a-6978-8796-a5b44f2a91c7"}, []string{"4f2a91c8", "f2a91c7"}},
		{"***PII_FILTERED***", Filtered, "filtered: only its name is known", []string{"", "x"}, nil},
		{"***FILTERED***", Filtered, "filtered: only its name is known", []string{"x"}, nil},
		{"***", Whole, "***", []string{"***"}, []string{"x"}},
		{"ab ... (3 characters truncated) ... yz", Shortened, `cut, begins with "ab", ends with "yz", 7 characters`, []string{"abcdeyz", "ab ... (3 characters truncated) ... yz"}, []string{"abcdefyz", "abyz", "xbcdeyz"}},
		{"Mozilla/5.0...", Shortened, `cut, begins with "Mozilla/5.0"`, []string{"Mozilla/5.0 (X11)", "Mozilla/5.0..."}, []string{"Mozilla"}},
		{"", Whole, "", []string{""}, []string{"x"}},
	} {
		k := Read(test.text)
		if k.State != test.state || k.String() != test.shown {
			t.Errorf("%q: %d %q, want %d %q", test.text, k.State, k, test.state, test.shown)
		}
		for _, value := range test.fits {
			if !k.Fits(value) {
				t.Errorf("%q does not fit %q", value, test.text)
			}
		}
		for _, value := range test.not {
			if k.Fits(value) {
				t.Errorf("%q fits %q", value, test.text)
			}
		}
	}
}

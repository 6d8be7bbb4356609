package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// backendLog is what the application's backend writes to its log, as text. Its clock is the server's, not that
// of the application's rows: both logs are of one run.
type backendLog struct {
	text strings.Builder
	now  func() time.Time
}

// say writes one message. The loggers are the application's own; their names have the prefix "app.".
func (l *backendLog) say(logger, level, format string, args ...any) {
	stamp := l.now().UTC().Format("2006-01-02 15:04:05.000")
	fmt.Fprintf(&l.text, "%s - app.%s - %s - %s\n", strings.Replace(stamp, ".", ",", 1), logger, level, fmt.Sprintf(format, args...))
}

// print writes lines past the logging, as print() does.
func (l *backendLog) print(lines ...string) {
	for _, line := range lines {
		l.text.WriteString(line + "\n")
	}
}

// The loggers that write most.
const (
	logRequests   = "core.middleware.request_logging"
	logContext    = "core.context"
	logImport     = "services.data_import.storage_manager.import_commands"
	logRecords    = "services.data_import.storage_manager.record_operations"
	logExecution  = "services.data_import.transaction_manager"
	logFlows      = "services.flow_orchestration.operations.flow_creation_operations"
	logPhases     = "services.crewai_flows.unified_discovery_flow.flow_initialization"
	logMapping    = "services.crewai_flows.field_mapping_persistence"
	logAssets     = "services.asset_service"
	logRepository = "repositories.context_aware_repository"
)

const importURL = "http://backend:8000/api/v1/data-import/store-import"

// begin is the beginning of an import's request.
func (l *backendLog) begin(s *stored) {
	l.say(logRequests, "INFO", "🔄 POST %s | IP: 172.18.0.%d | Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101...", importURL, 2+s.tenant.network)
	l.say(logContext, "INFO", "🔍 Headers received: {'host': 'backend:8000', 'authorization': 'Bearer invented-for-the-demo-%08x', 'x-client-account-id': '%s'}", s.tenant.network*7919, s.tenant.client)
	l.say(logContext, "INFO", "🔍 Final context: RequestContext(client=%s, engagement=%s, user=%s, flow=None)", s.tenant.client, s.tenant.engagement, s.user)
	l.say(logExecution, "INFO", "🔄 Starting import transaction")
	l.say(logImport, "INFO", "📥 Parsed %d bytes as list with %d items", len(jsonText(s.records)), len(s.records))
	l.say(logImport, "INFO", "✅ Created DataImport record: %s", s.importID)
	l.say(logImport, "INFO", "📊 Extracted %d records for import %s", len(s.records), s.importID)
	l.say(logRecords, "INFO", "💾 Creating %d RawImportRecord entries...", len(s.records))
	l.say(logRecords, "INFO", "✅ Successfully added %d RawImportRecord entries to database session for import %s", len(s.records), s.importID)
	l.say(logImport, "INFO", "✅ DataImport.total_records updated to: %d", len(s.records))
}

// committed is the end of an import's request that went well.
func (l *backendLog) committed(s *stored) {
	l.say(logFlows, "INFO", "🚀 Creating flow: %s (type: discovery)", s.flowID)
	l.say(logFlows, "INFO", "✅ Database record flushed for flow %s (atomic=True, parent will commit)", s.flowID)
	l.say(logImport, "INFO", "✅ Linked master flow %s to data import %s", s.flowID, s.importID)
	l.say(logExecution, "INFO", "✅ Import transaction committed successfully")
	l.say(logImport, "INFO", "🗳️ Transaction completed - data_import %s with %d raw records committed to database", s.importID, len(s.records))
	l.say(logRequests, "INFO", "✅ POST %s | Status: 200 | Time: 0.%03ds", importURL, 100+len(s.records)*7)
	l.say(logPhases, "INFO", "🔥🔥🔥 CREWAI DISCOVERY FLOW INITIALIZATION - FLOW ID: %s 🔥🔥🔥", s.flowID)
	l.say(logPhases, "INFO", "🔍 DEBUG: First record keys in initializer: %s", pythonNames(headers()))
	l.say(logPhases, "INFO", "🔍 DEBUG: First record sample: %s", pythonDict(s.records[0]))
}

// refused is the end of one whose flow could not be made; its rows were committed before.
func (l *backendLog) refused(s *stored) {
	l.say(logExecution, "INFO", "✅ Import transaction committed successfully")
	l.say(logFlows, "ERROR", "❌ Flow for import %s could not be created", s.importID)
	l.print(
		"Traceback (most recent call last):",
		`  File "/app/app/services/flow_orchestration/operations/flow_creation_operations.py", line 118, in create_flow`,
		"    await self.registry.register(flow_id)",
		"ConnectionError: Error 111 connecting to redis:6379. Connection refused.",
	)
	l.say(logRequests, "INFO", "❌ POST %s | Status: 500 | Time: 3.0%02ds", importURL, len(s.records))
}

// phase tells of a flow's next phase.
func (l *backendLog) phase(s *stored, phase string) {
	l.say("services.unified_discovery.flow_execution_handlers", "INFO", "Executing requested phase '%s' for flow ***%s", phase, s.flowID[len(s.flowID)-8:])
	l.say("services.unified_discovery.flow_execution_handlers", "INFO", "Adding data_import_id: %s to phase_input", s.importID)
}

// mapped tells of the mappings.
func (l *backendLog) mapped() {
	l.say(logMapping, "INFO", "📊 Processing %d field mappings for persistence", len(headers()))
	l.say(logMapping, "INFO", "✅ Successfully persisted %d field mappings to database", len(headers()))
}

// made tells of one asset.
func (l *backendLog) made(s *stored, a asset, r record) {
	l.say(logAssets, "INFO", "🏷️ Generating asset name: '%s' from data keys: %s", a.name, pythonNames(present(r)))
	l.say(logAssets, "INFO", "🔗 Associating asset with master_flow_id: %s, discovery_flow_id: %s", s.flowID, s.flowID)
	l.say(logRepository, "INFO", "Created Asset with ID %s", a.id)
	l.say(logAssets, "INFO", "✅ Asset created via service: %s (ID: %s)", a.name, a.id)
}

// present are the columns of an asset that a record has a value for.
func present(r record) (names [][2]string) {
	for _, h := range headers() {
		if r[h[0]] != "" && h[1] != "UNMAPPED" {
			names = append(names, [2]string{h[1], h[0]})
		}
	}
	return names
}

// pythonNames writes the first of each pair as Python shows a list.
func pythonNames(pairs [][2]string) string {
	names := make([]string, len(pairs))
	for i, pair := range pairs {
		names[i] = pythonText(pair[0])
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// pythonDict writes a record as Python shows a dict.
func pythonDict(r record) string {
	var items []string
	for _, key := range slices.Sorted(maps.Keys(r)) {
		items = append(items, pythonText(key)+": "+pythonText(r[key]))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// pythonText writes a text as Python shows it: in single quotes, unless it holds one and no double quote.
func pythonText(text string) string {
	quote := "'"
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = `"`
	}
	text = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(text)
	if quote == "'" {
		text = strings.ReplaceAll(text, "'", `\'`)
	}
	return quote + text + quote
}

// audit is the line of the flow's audit.
func (l *backendLog) audit(s *stored) {
	line := struct {
		EventID       string `json:"event_id"`
		Category      string `json:"category"`
		Level         string `json:"level"`
		FlowID        string `json:"flow_id"`
		Operation     string `json:"operation"`
		UserID        string `json:"user_id"`
		ClientAccount string `json:"client_account_id"`
		Engagement    string `json:"engagement_id"`
		Success       bool   `json:"success"`
	}{"audit_" + s.flowID, "flow_lifecycle", "info", s.flowID, "create_flow", s.user, s.tenant.client, s.tenant.engagement, true}
	text, err := json.Marshal(line)
	if err != nil { // the texts are all plain
		return
	}
	l.say("services.flow_orchestration.audit_logger", "INFO", "📝 AUDIT: %s", text)
}

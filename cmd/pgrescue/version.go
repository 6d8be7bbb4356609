package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
)

// versionInfo is what `version --json` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(terminal *term.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Print the version, the revision that it was built from, the Go version and the platform.",
		Example: `  pgrescue version
  pgrescue version --json
  pgrescue version --json | jq -r .revision`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return runVersion(terminal) },
	}
}

func runVersion(terminal *term.Terminal) error {
	info := readVersion()
	if terminal.JSON() {
		return terminal.WriteJSON(info)
	}
	revision := ""
	if info.Revision != "" {
		revision = " (" + info.Revision
		if info.Modified {
			revision += ", modified"
		}
		revision += ")"
	}
	return terminal.Printf("pgrescue %s%s, %s, %s\n", info.Version, revision, info.Go, info.Platform)
}

// readVersion asks the build information that the Go tool put into the binary.
func readVersion() versionInfo {
	info := versionInfo{Version: "development", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, found := debug.ReadBuildInfo()
	if !found {
		return info
	}
	if build.Main.Version != "" && build.Main.Version != "(devel)" {
		info.Version = build.Main.Version
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Revision = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	return info
}

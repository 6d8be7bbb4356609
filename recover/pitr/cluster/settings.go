package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// olderSetting is a setting that older servers know by another name or value.
type olderSetting struct {
	before           string // major version, two digits
	name, value      string // an empty value stands for any
	oldName, oldText string
}

// olderSettings lets a test name settings as the newest version does.
func olderSettings() []olderSetting {
	return []olderSetting{
		{before: "13", name: "wal_keep_size", value: "0", oldName: "wal_keep_segments", oldText: "0"},
		// A count of segments, whatever their size: as good as all of them.
		{before: "13", name: "wal_keep_size", oldName: "wal_keep_segments", oldText: "5000"},
		{before: "15", name: "wal_compression", value: "pglz", oldName: "wal_compression", oldText: "on"},
	}
}

// Major is the cluster's major version, such as "15".
func (c *Cluster) Major() (string, error) {
	raw, err := os.ReadFile(filepath.Join(c.DataDir(), "PG_VERSION"))
	if err != nil {
		return "", fmt.Errorf("cluster: read version: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// translated gives settings in the words of the cluster's version. Without
// PG_VERSION, which initdb leaves, they stay as they are.
func (c *Cluster) translated(settings map[string]string) map[string]string {
	major, err := c.Major()
	if err != nil {
		return settings
	}
	out := make(map[string]string, len(settings))
	for name, value := range settings {
		for _, old := range olderSettings() {
			if major < old.before && name == old.name && (old.value == "" || value == old.value) {
				name, value = old.oldName, old.oldText
			}
		}
		out[name] = value
	}
	return out
}

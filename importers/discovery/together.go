package discovery

import (
	"slices"

	"github.com/google/uuid"
)

// Together are the assets that the imports of one run make. The application would have found
// those of an import before in the database, where the run has put none of them yet.
type Together struct{ assets map[string]toldAsset }

type toldAsset struct {
	id uuid.UUID
	by *Beside
}

// NewTogether knows no asset yet.
func NewTogether() *Together { return &Together{assets: map[string]toldAsset{}} }

// Beside is one import of the run: a Known that tells the assets of the others.
type Beside struct{ all *Together }

// Another is the next import of the run.
func (t *Together) Another() *Beside { return &Beside{all: t} }

// Import finds none: each import of a run is its own.
func (b *Beside) Import(Content) (ids ImportIDs, ok bool, err error) { return ids, false, nil }

// Row finds an asset that another import of the run has made.
func (b *Beside) Row(table, key string) (id uuid.UUID, ok bool) {
	if table != tableAssets {
		return id, false
	}
	told, ok := b.all.assets[key]
	if !ok || told.by == b {
		return id, false
	}
	return told.id, true
}

// tell names an asset that this import makes. The first that has a key keeps it.
func (b *Beside) tell(key string, id uuid.UUID) {
	if _, taken := b.all.assets[key]; !taken {
		b.all.assets[key] = toldAsset{id: id, by: b}
	}
}

// toldKeys are the keys by which other imports of the run look for an asset, by the place of
// their columns; none, when nobody is told.
func (im *Import) toldKeys(names []string) [][]int {
	if im.opts.Beside == nil {
		return nil
	}
	var keys [][]int
	for _, columns := range knownAssetKeys {
		places := make([]int, len(columns))
		for i, column := range columns {
			places[i] = slices.Index(names, column)
		}
		if !slices.Contains(places, -1) {
			keys = append(keys, places)
		}
	}
	return keys
}

// tell names the asset that was made to the other imports of the run.
func (m *assetMaker) tell(id uuid.UUID) {
	for _, key := range m.told {
		if m.appendKey(key); len(m.key) > 0 {
			m.im.opts.Beside.tell(string(m.key), id)
		}
	}
}

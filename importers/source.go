package importers

// Format is what a source is, by its content.
type Format string

// The formats that are read.
const (
	FormatCSV  Format = "csv"
	FormatXLSX Format = "xlsx"
	FormatJSON Format = "json"
)

// Source is a file, or a member of an archive, in which records were found.
type Source struct {
	Path        string   // as it was named or found
	Member      string   // of a zip archive; "": the file itself
	Name        string   // base name without the ending of a compression: what an application was given
	Format      Format   // by content
	Compression string   // "", "gzip", "zstd", "xz", "bzip2", or "zip" of a Member
	Size        int64    // bytes on disk
	SHA256      [32]byte // of the uncompressed content: a copy that was compressed is the same source
	Length      int64    // bytes of the uncompressed content; Hash sets it, as it sets SHA256
	Damage      string   // why the content ends before its end, as in a compressed file that was cut; Hash sets it
}

// Place names the source for people: its path, and the member behind it.
func (s *Source) Place() string {
	if s.Member == "" {
		return s.Path
	}
	return s.Path + ":" + s.Member
}

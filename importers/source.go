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
	Compression string   // "", "gzip", "zstd" or "zip"
	Size        int64    // bytes on disk
	SHA256      [32]byte // of the uncompressed content: a copy that was compressed is the same source
}

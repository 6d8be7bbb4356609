package discovery

import "context"

// dependencies are the rows of asset_dependencies.
func (im *Import) dependencies(context.Context) Table { return Table{} }

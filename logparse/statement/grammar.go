package statement

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wasilibs/go-pgquery/parser"
)

// grammar parses a template with PostgreSQL's grammar. The template is bounded by normalise: what nests too deep
// would exhaust the stack of the module.
func grammar(template string) (*node, error) {
	text, err := parser.ParseToJSON(template)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL's grammar says: %w", err)
	}
	var result struct {
		Stmts []struct {
			Stmt node `json:"stmt"`
		} `json:"stmts"`
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		return nil, fmt.Errorf("read the parse tree: %w", err)
	}
	if len(result.Stmts) != 1 {
		return nil, errors.New("it is not one statement")
	}
	return &result.Stmts[0].Stmt, nil
}

// node is a node of the parse tree: one of its fields is set. The names are those of parsenodes.h, in the JSON of
// libpg_query, which leaves out what is zero.
type node struct {
	Insert   *insertStmt   `json:"InsertStmt"`
	Update   *updateStmt   `json:"UpdateStmt"`
	Delete   *deleteStmt   `json:"DeleteStmt"`
	Merge    *mergeStmt    `json:"MergeStmt"`
	Select   *selectStmt   `json:"SelectStmt"`
	Truncate *truncateStmt `json:"TruncateStmt"`
	Drop     *dropStmt     `json:"DropStmt"`
	Copy     *copyStmt     `json:"CopyStmt"`
	Execute  *executeStmt  `json:"ExecuteStmt"`
	Prepare  *prepareStmt  `json:"PrepareStmt"`
	Explain  *explainStmt  `json:"ExplainStmt"`
	Alter    *alterStmt    `json:"AlterTableStmt"`
	Command  *alterCommand `json:"AlterTableCmd"`
	Rename   *renameStmt   `json:"RenameStmt"`
	Moved    *movedStmt    `json:"AlterObjectSchemaStmt"`
	DropDB   *dropDBStmt   `json:"DropdbStmt"`

	List      *listNode       `json:"List"`
	String    *stringNode     `json:"String"`
	Integer   *integerNode    `json:"Integer"`
	Boolean   *booleanNode    `json:"Boolean"`
	Target    *resTarget      `json:"ResTarget"`
	CTE       *commonTable    `json:"CommonTableExpr"`
	Range     *rangeVar       `json:"RangeVar"`
	Subselect *rangeSubselect `json:"RangeSubselect"`
	Element   *defElem        `json:"DefElem"`
	Index     *indexElem      `json:"IndexElem"`

	Type     *typeName    `json:"TypeName"`
	Const    *constNode   `json:"A_Const"`
	Param    *paramRef    `json:"ParamRef"`
	Cast     *typeCast    `json:"TypeCast"`
	Collate  *collate     `json:"CollateClause"`
	Call     *funcCall    `json:"FuncCall"`
	SQLValue *sqlValue    `json:"SQLValueFunction"`
	Default  *placed      `json:"SetToDefault"`
	Array    *arrayNode   `json:"A_ArrayExpr"`
	Expr     *exprNode    `json:"A_Expr"`
	Bool     *boolNode    `json:"BoolExpr"`
	Null     *nullTest    `json:"NullTest"`
	Row      *rowNode     `json:"RowExpr"`
	Column   *columnRef   `json:"ColumnRef"`
	Multi    *multiAssign `json:"MultiAssignRef"`
	Sub      *placed      `json:"SubLink"`
	Star     *placed      `json:"A_Star"`
}

type (
	placed struct {
		Location int `json:"location"`
	}
	listNode struct {
		Items []node `json:"items"`
	}
	stringNode struct {
		Text string `json:"sval"`
	}
	integerNode struct {
		Value int `json:"ival"`
	}
	booleanNode struct {
		Value bool `json:"boolval"`
	}
	rangeVar struct {
		Catalog string `json:"catalogname"`
		Schema  string `json:"schemaname"`
		Name    string `json:"relname"`
		Alias   *alias `json:"alias"`
	}
	alias struct {
		Name    string `json:"aliasname"`
		Columns []node `json:"colnames"`
	}
	rangeSubselect struct {
		Query node   `json:"subquery"`
		Alias *alias `json:"alias"`
	}
	withClause struct {
		CTEs []node `json:"ctes"`
	}
	commonTable struct {
		Query node `json:"ctequery"`
	}
	insertStmt struct {
		Relation   *rangeVar   `json:"relation"`
		Columns    []node      `json:"cols"`
		Select     *node       `json:"selectStmt"`
		OnConflict *onConflict `json:"onConflictClause"`
		Returning  []node      `json:"returningList"`
		With       *withClause `json:"withClause"`
		Override   string      `json:"override"`
	}
	onConflict struct {
		Action  string       `json:"action"`
		Infer   *inferClause `json:"infer"`
		Targets []node       `json:"targetList"`
		Where   *node        `json:"whereClause"`
	}
	inferClause struct {
		Elements []node `json:"indexElems"`
		Where    *node  `json:"whereClause"`
	}
	indexElem struct {
		Name string `json:"name"`
	}
	updateStmt struct {
		Relation  *rangeVar   `json:"relation"`
		Targets   []node      `json:"targetList"`
		Where     *node       `json:"whereClause"`
		From      []node      `json:"fromClause"`
		Returning []node      `json:"returningList"`
		With      *withClause `json:"withClause"`
	}
	deleteStmt struct {
		Relation  *rangeVar   `json:"relation"`
		Using     []node      `json:"usingClause"`
		Where     *node       `json:"whereClause"`
		Returning []node      `json:"returningList"`
		With      *withClause `json:"withClause"`
	}
	mergeStmt struct {
		Relation *rangeVar   `json:"relation"`
		With     *withClause `json:"withClause"`
	}
	selectStmt struct {
		Targets  []node      `json:"targetList"`
		From     []node      `json:"fromClause"`
		Where    *node       `json:"whereClause"`
		Group    []node      `json:"groupClause"`
		Having   *node       `json:"havingClause"`
		Distinct []node      `json:"distinctClause"`
		Values   []node      `json:"valuesLists"`
		Limit    *node       `json:"limitCount"`
		Offset   *node       `json:"limitOffset"`
		Op       string      `json:"op"`
		With     *withClause `json:"withClause"`
	}
	truncateStmt struct {
		Relations []node `json:"relations"`
		Behavior  string `json:"behavior"`
	}
	dropStmt struct {
		Objects []node `json:"objects"`
		Type    string `json:"removeType"`
	}
	copyStmt struct {
		Relation *rangeVar `json:"relation"`
		Query    *node     `json:"query"`
		Columns  []node    `json:"attlist"`
		From     bool      `json:"is_from"`
		Program  bool      `json:"is_program"`
		File     string    `json:"filename"`
		Options  []node    `json:"options"`
	}
	defElem struct {
		Name     string `json:"defname"`
		Arg      *node  `json:"arg"`
		Location int    `json:"location"`
	}
	executeStmt struct {
		Name   string `json:"name"`
		Params []node `json:"params"`
	}
	prepareStmt struct {
		Name  string `json:"name"`
		Types []node `json:"argtypes"`
		Query node   `json:"query"`
	}
	explainStmt struct {
		Query   node   `json:"query"`
		Options []node `json:"options"`
	}
	alterStmt struct {
		Relation *rangeVar `json:"relation"`
		Commands []node    `json:"cmds"`
	}
	alterCommand struct {
		Type string `json:"subtype"`
	}
	renameStmt struct {
		Type     string    `json:"renameType"`
		Relation *rangeVar `json:"relation"`
		Column   string    `json:"subname"`
		Name     string    `json:"newname"`
	}
	movedStmt struct {
		Type     string    `json:"objectType"`
		Relation *rangeVar `json:"relation"`
	}
	dropDBStmt struct {
		Name string `json:"dbname"`
	}
	resTarget struct {
		Name        string `json:"name"`
		Value       *node  `json:"val"`
		Indirection []node `json:"indirection"`
	}
	constNode struct {
		Null     bool         `json:"isnull"`
		Bool     *booleanNode `json:"boolval"`
		Int      *integerNode `json:"ival"`
		Location int          `json:"location"`
	}
	paramRef struct {
		Number int `json:"number"`
	}
	typeCast struct {
		Arg  node     `json:"arg"`
		Type typeName `json:"typeName"`
	}
	typeName struct {
		Names  []node `json:"names"`
		Mods   []node `json:"typmods"`
		Bounds []node `json:"arrayBounds"`
	}
	collate struct {
		Arg node `json:"arg"`
	}
	funcCall struct {
		Names []node `json:"funcname"`
	}
	sqlValue struct {
		Op string `json:"op"`
	}
	arrayNode struct {
		Elements []node `json:"elements"`
	}
	exprNode struct {
		Kind  string `json:"kind"`
		Names []node `json:"name"`
		Left  *node  `json:"lexpr"`
		Right *node  `json:"rexpr"`
	}
	boolNode struct {
		Op   string `json:"boolop"`
		Args []node `json:"args"`
	}
	nullTest struct {
		Arg  node   `json:"arg"`
		Type string `json:"nulltesttype"`
	}
	rowNode struct {
		Args []node `json:"args"`
	}
	columnRef struct {
		Fields []node `json:"fields"`
	}
	multiAssign struct {
		Source node `json:"source"`
		Column int  `json:"colno"`
	}
)

// lastName gives the last of a list of names, without its schema.
func lastName(names []node) string {
	if len(names) == 0 || names[len(names)-1].String == nil {
		return ""
	}
	return names[len(names)-1].String.Text
}

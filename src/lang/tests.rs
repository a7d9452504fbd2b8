//! What the language accepts, how it groups, and what it says about the rest.

use crate::suggest::nearest;
use proptest::prelude::*;

use super::*;

fn program(text: &str) -> Program {
    parse(text).unwrap_or_else(|error| panic!("{}", error.render("pipeline", text)))
}

fn expr(text: &str) -> Expr {
    let mut program = program(text);
    assert_eq!(program.statements.len(), 1, "{text}");
    program.statements.remove(0).value
}

/// The expression with parentheses around everything that has operands.
fn grouped(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Unary { op, operand } => format!("({}{})", op.symbol(), grouped(operand)),
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", grouped(left), op.symbol(), grouped(right))
        }
        ExprKind::Call(call) => {
            let args: Vec<_> = call.args.iter().map(|arg| grouped(&arg.value)).collect();
            format!("{}({})", call.name.text, args.join(", "))
        }
        ExprKind::Attribute { base, name } => format!("{}.{}", grouped(base), name.text),
        ExprKind::Select { base, .. } => format!("{}[…]", grouped(base)),
        _ => expr.to_string(),
    }
}

#[track_caller]
fn groups(text: &str, expected: &str) {
    assert_eq!(grouped(&expr(text)), expected, "{text}");
}

/// Checks the message, the marked text and (if not empty) a part of the hint or notes.
#[track_caller]
fn refused(text: &str, message: &str, marked: &str, hint: &str) {
    let error = parse(text).expect_err(text);
    let drawn = error.render("pipeline", text);
    assert_eq!(error.message, message, "{drawn}");
    assert_eq!(&text[error.span.clone()], marked, "{drawn}");
    if hint.is_empty() {
        assert_eq!((&error.hint, error.notes.len()), (&None, 0), "{drawn}");
    } else {
        let said = [error.hint.clone().unwrap_or_default(), error.notes.join("\n")];
        assert!(said.concat().contains(hint), "{drawn}");
    }
}

/// The column (from 1) at which the error is reported.
#[track_caller]
fn column(text: &str, expected: usize) {
    let error = parse(text).expect_err(text);
    let drawn = error.render("p", text);
    let place = format!(":{expected}\n");
    let caret = drawn.lines().nth(4).and_then(|line| line.find('^'));
    assert!(drawn.lines().nth(1).unwrap().ends_with(place.trim_end()), "{drawn}");
    assert_eq!(caret, Some(expected + 4), "{drawn}");
}

#[test]
fn precedence_is_pythons() {
    groups("-2**2", "(-(2 ** 2))");
    groups("2**-1", "(2 ** (-1))");
    groups("2**-1**2", "(2 ** (-(1 ** 2)))");
    groups("2**3**2", "(2 ** (3 ** 2))");
    groups("-a * b", "((-a) * b)");
    groups("a * -b ** c", "(a * (-(b ** c)))");
    groups("- + ~a", "(-(+(~a)))");
    groups("~a & b", "((~a) & b)");
    groups("a + b * c - d", "((a + (b * c)) - d)");
    groups("a / b // c % d * e", "((((a / b) // c) % d) * e)");
    groups("a | b ^ c & d + e", "(a | (b ^ (c & (d + e))))");
    groups("a + b & c ^ d | e", "((((a + b) & c) ^ d) | e)");
    groups("a & b > c | d", "((a & b) > (c | d))");
    groups("a + 1 >= b * 2", "((a + 1) >= (b * 2))");
    groups("(a < b) < c", "((a < b) < c)");
    groups("a < (b < c)", "(a < (b < c))");
    groups("-x.y ** f(a)[0]", "(-(x.y ** f(a)[…]))");
    groups("(a + b) * c", "((a + b) * c)");
}

#[test]
fn pipes_are_calls_with_one_more_argument() {
    groups("x |> f(a)", "f(x, a)");
    groups("x |> label", "label(x)");
    groups("x |> f(a) |> g |> h(k=1)", "h(g(f(x, a)), 1)");
    groups("a + b > 1 |> f", "f(((a + b) > 1))");
    groups("a |> f(b |> g)", "f(a, g(b))");
    let ExprKind::Call(call) = expr("x |> f(a)").kind else { panic!("not a call") };
    assert!(call.piped);
    assert_eq!(call.span, 5..9);
}

#[test]
fn literals() {
    let cases = [
        ("12", Literal::Int(12)),
        ("1_000", Literal::Int(1000)),
        ("0xFf_0", Literal::Int(0xff0)),
        ("0", Literal::Int(0)),
        ("18446744073709551615", Literal::Int(u64::MAX.into())),
        ("-9223372036854775808", Literal::Int(i64::MIN.into())),
        ("1e-3", Literal::Float(1e-3)),
        ("1E+3", Literal::Float(1e3)),
        (".5", Literal::Float(0.5)),
        ("5.", Literal::Float(5.0)),
        ("-5.25e1_0", Literal::Float(-5.25e10)),
        ("5.e1", Literal::Float(50.0)),
        ("1_0.0_1", Literal::Float(10.01)),
        ("+3", Literal::Int(3)),
        ("true", Literal::Bool(true)),
        ("False", Literal::Bool(false)),
        ("None", Literal::None),
        ("'it\\'s'", Literal::Text("it's".into())),
        (r#"'say "hi"'"#, Literal::Text("say \"hi\"".into())),
        (r#""\"\\\n\t\x41\u00b5""#, Literal::Text("\"\\\n\tAµ".into())),
        ("'µm 数'", Literal::Text("µm 数".into())),
        ("''", Literal::Text(String::new())),
        ("[]", Literal::List(vec![])),
        (
            "[1, [-2.5, 'a',],]",
            Literal::List(vec![Literal::Int(1), Literal::List(vec![Literal::Float(-2.5), Literal::Text("a".into())])]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_literal(text), Some(expected), "{text}");
    }
    for path in ["a/b.tif", "b", "5x.tif", "img*.tif", "", "[a]", "-'a'", "1 2", "007", "/data/x"] {
        assert_eq!(parse_literal(path), None, "{path}");
    }
}

#[test]
fn statements_and_lines() {
    let count = |text: &str| program(text).statements.len();
    assert_eq!(count("input"), 1);
    assert_eq!(count("a = 1; b = 2;; c\n\n# only a comment\n\nd # more\n"), 4);
    assert_eq!(count("a = 1\r\n\r\nsave(a, \"p\")\r\n"), 2);
    assert_eq!(count("a\n  |> f\n\n  # why\n  |> g(1)\nb"), 2);
    assert_eq!(count("a +\n\n b * # why\n c |>\n f"), 1);
    assert_eq!(count("x =\n 1"), 1);
    assert_eq!(count("f(\n a,\n k=[1,\n 2]\n)[\n0\n]\ng()"), 2);
    assert_eq!(count("\u{feff}a"), 1);
    let statement = program("  smooth = f(x)").statements.remove(0);
    assert_eq!(statement.span(), 2..15);
    assert_eq!(statement.target.unwrap().span, 2..8);
}

#[test]
fn the_example_of_the_design() {
    let text = r#"
# pipeline.tw
img    = open("plate/*.tif")
smooth = gaussian_filter(img, sigma=1)                               # a stack: frame by frame
mask   = smooth > threshold_local(smooth, block_size=51)
labels = label(binary_opening(mask, structure="cross"))
save(labels, "labels.ome.zarr")
save(measure(labels, img, ["area", "intensity_mean", "centroid"]), "nuclei.csv")
"#;
    assert_eq!(program(text).statements.len(), 6);
}

#[test]
fn selections() {
    let text = r#"img[z=10:50, c=1, c="DAPI", y=:4096, x=::2, -3:-1, -1, :, a:b:c, ]"#;
    let base = expr(text);
    let ExprKind::Select { selectors, .. } = &base.kind else { panic!("not a selection") };
    let written: Vec<_> = selectors.iter().map(|s| &text[s.span.clone()]).collect();
    let expected = ["z=10:50", "c=1", "c=\"DAPI\"", "y=:4096", "x=::2", "-3:-1", "-1", ":", "a:b:c"];
    assert_eq!(written, expected);
    let axes: Vec<_> = selectors.iter().filter_map(|s| s.axis.as_ref()).collect();
    assert_eq!(axes.iter().map(|a| &*a.text).collect::<String>(), "zccyx");
    assert!(matches!(&selectors[4].pick, Pick::Slice { start: None, stop: None, step: Some(_) }));
    assert!(matches!(selectors[6].pick, Pick::Index(_)));
}

#[test]
fn spans_cover_what_was_written() {
    let text = "f((a + b), sigma = -1)";
    let ExprKind::Call(call) = expr(text).kind else { panic!("not a call") };
    assert_eq!(&text[call.name.span.clone()], "f");
    assert_eq!(&text[call.args[0].span()], "(a + b)");
    assert_eq!(&text[call.args[1].span()], "sigma = -1");
    assert_eq!(&text[call.args[1].name.as_ref().unwrap().span.clone()], "sigma");
    assert_eq!(&text[call.args[1].value.span.clone()], "-1");
}

#[test]
fn errors_of_numbers_and_strings() {
    let too_big = "the integer does not fit in 64 bits";
    refused("f(18446744073709551616)", too_big, "18446744073709551616", "");
    refused("-9223372036854775809", too_big, "-9223372036854775809", "");
    refused("0x1_0000_0000_0000_0000", too_big, "0x1_0000_0000_0000_0000", "");
    refused("1e999", "the number is too large for a 64-bit float", "1e999", "");
    for wrong in ["512MiB", "1.2.3", "1__0", "1_", "0x", "0xg", "1e", "1e+", "5.name", "0b1", "1._5"] {
        refused(wrong, &format!("invalid number `{wrong}`"), wrong, "");
    }
    refused("007", "an integer cannot begin with 0", "007", "write `7`");
    refused("open('a.tif) ; b", "the string is not closed", "'a.tif) ; b", "end on its line");
    refused("open('C:\\data')", "unknown escape `\\d` in a string", "\\d", "`/` separates");
    refused("'\\u12'", "unknown escape `\\u` in a string", "\\u", "for a backslash");
    refused("'\\ud800'", "unknown escape `\\u` in a string", "\\u", "for a backslash");
    refused("'a\nb'", "the string is not closed", "'a", "end on its line");
    refused("f(“a”)", "`“` (U+201C) is not a plain character", "“", "type `\"`");
    refused("a − b", "`−` (U+2212) is not a plain character", "−", "type `-`");
    refused("a @ b", "unexpected character `@`", "@", "");
    refused("a \\\n b", "unexpected character `\\`", "\\", "inside brackets");
}

#[test]
fn errors_of_operators() {
    let chained = "comparisons cannot be chained";
    refused("a < b < c", chained, "<", "write `(a < b) & (b < c)`");
    refused("0 < f(x) + 1 <= 9 != d", chained, "<=", "`(0 < f(x) + 1) & (f(x) + 1 <= 9) & (9 != d)`");
    refused("a > 1 & b > 2", chained, ">", "`&` binds tighter than comparisons: write `(a > 1) & (b > 2)`");
    refused("m & a > 1 | k ^ b <= 2 & c == 3 | n", chained, "<=", "write `m & (a > 1) | k ^ (b <= 2) & (c == 3) | n`");
    refused("a > 1 > b & c > 3", chained, ">", "put each comparison in parentheses");
    refused("a > (1 & b) > 2", chained, ">", "write `(a > (1 & b)) & ((1 & b) > 2)`");
    refused("a > 1 and b > 2", "`and` is not an operator here", "and", "`(a > 1) & (b > 2)`");
    refused("a or b", "`or` is not an operator here", "or", "use `|`");
    refused("not a", "`not` is not an operator here", "not", "use `~`");
    refused("a && b", "`&&` is not an operator here", "&&", "use `&`");
    refused("!a", "`!` is not an operator here", "!", "use `~`");
    refused("a +", "expected an expression, found the end of the text", "", "");
    refused("a + * b", "expected an expression, found `*`", "*", "");
    refused("* a", "expected an expression, found `*`", "*", "");
    refused("a b", "expected an operator or the end of the statement, found `b`", "b", "");
}

#[test]
fn errors_of_pipes() {
    let message = "the right side of `|>` must be a call or the name of an operation";
    refused("x |> f(a) + 1", message, "f(a) + 1", "`(x |> f(a)) …`");
    refused("x |> f(a)[0]", message, "f(a)[0]", "loosest");
    refused("x |> (f)", message, "(f)", "loosest");
    refused("x |> 3", message, "3", "loosest");
    refused("x |>", "expected an expression, found the end of the text", "", "");
    refused("|> f", "expected an expression, found `|>`", "|>", "");
    refused("x; |> f", "expected an expression, found `|>`", "|>", "");
}

#[test]
fn errors_of_statements() {
    let operator = "expected an operator or the end of the statement, found";
    refused("f(x) = 3", "only a name can be assigned to", "f(x)", "`==` to compare");
    refused("true = 3", "only a name can be assigned to", "true", "`name = …`");
    refused("a = b = c", &format!("{operator} `=`"), "=", "use `==`");
    refused("if a = b", &format!("{operator} `a`"), "a", "`==`");
    refused("a if b else c", &format!("{operator} `if`"), "if", "`==`");
    refused("f((a = b))", "expected `)`, found `=`", "=", "use `==`");
    refused("x[(a) = b]", "expected `,` or `]`, found `=`", "=", "use `==`");
    refused("a = ", "expected an expression, found the end of the text", "", "");
    refused("a = ;", "expected an expression, found `;`", ";", "");
    refused("a )", &format!("{operator} `)`"), ")", "");
    refused("a, b", &format!("{operator} `,`"), ",", "");
    let empty = "the pipeline is empty";
    refused("", empty, "", "`input`");
    refused(" \n;# nothing\n", empty, "", "`input`");
    let long = "a pipeline of more than 1048576 bytes";
    refused(&" ".repeat(MAX_LENGTH + 1), long, "", "");
}

#[test]
fn errors_of_brackets_and_calls() {
    refused("f(a", "`(` is not closed", "(", "");
    refused("f(a, [1, 2", "`[` is not closed", "[", "");
    refused("(a", "`(` is not closed", "(", "");
    refused("f(a]", "expected `,` or `)`, found `]`", "]", "");
    refused("f(a b)", "expected `,` or `)`, found `b`", "b", "");
    refused("\nx = f(a\ny = g(b)", "expected `,` or `)`, found `y`", "y", "opened on line 2");
    refused("f(,)", "expected an expression, found `,`", ",", "");
    refused("{1}", "expected an expression, found `{`", "{", "");
    refused("f(sigma=(1, 2))", "there are no tuples", ",", "`[1, 2]`");
    refused("()", "expected an expression, found `)`", ")", "");
    refused("f(a=1, b)", "a positional argument after a keyword argument", "b", "to the front");
    refused("f(a=1, b=2, a=3)", "`a` is given twice", "a", "");
    refused("f(a)(b)", "only an operation's name can be called", "f(a)", "");
    refused("3(b)", "only an operation's name can be called", "3", "");
    refused("a.mean(b)", "only an operation's name can be called", "a.mean", "`mean(x, …)`");
    let dots = "expected an expression, found `.`";
    refused("x[..., 0]", dots, ".", "no `...`");
    refused("x[]", "the selection is empty", "[]", "`[z=10:50, c=1]`");
    refused("x[z=]", "expected an index or a slice, found `]`", "]", "");
    refused("x[1:2:3:4]", "expected `,` or `]`, found `:`", ":", "");
    refused("x.", "expected a name, found the end of the text", "", "");
    refused("x.3", "expected an operator or the end of the statement, found `.3`", ".3", "");
}

#[test]
fn columns_of_errors() {
    column("a < b < c", 7);
    column("a +", 4);
    column("f(a=1, b)", 8);
    column("f(a=1, a=2)", 8);
    column("x |> 3", 6);
    column("if a = b", 4);
    column("  f(18446744073709551616)", 5);
    column("f(a  # why", 2);
}

#[test]
fn rendering() {
    let error = Diagnostic::new("unknown operation `gausian_filter`", 0..14)
        .with_hint("did you mean `gaussian_filter`?")
        .with_note("`tilewise ops` lists them");
    let expected = [
        "error: unknown operation `gausian_filter`",
        "  --> pipeline:1:1",
        "   |",
        " 1 | gausian_filter(sigma=2)",
        "   | ^^^^^^^^^^^^^^ did you mean `gaussian_filter`?",
        "   = note: `tilewise ops` lists them",
    ];
    let drawn = error.render("pipeline", "gausian_filter(sigma=2)");
    assert_eq!(drawn, expected.join("\n"));
}

#[test]
fn rendering_of_odd_texts() {
    let lines = |text: &str, span: Span| {
        let drawn = Diagnostic::new("m", span).render("p", text);
        let mut lines = drawn.lines().skip(1).map(str::to_owned);
        let place = lines.next().unwrap();
        (place, lines.nth(1).unwrap(), lines.next().unwrap())
    };
    let same = |text: &str, span: Span, place: &str, line: &str, marks: &str| {
        let expected = (place.to_owned(), line.to_owned(), marks.to_owned());
        assert_eq!(lines(text, span), expected);
    };
    same("", 0..0, "  --> p:1:1", " 1 |", "   | ^");
    same("ab", 2..2, "  --> p:1:3", " 1 | ab", "   |   ^");
    same("ab\n", 3..9, "  --> p:2:1", " 2 |", "   | ^");
    same("ab\r\ncd", 0..6, "  --> p:1:1", " 1 | ab", "   | ^^");
    same("\tab\tc", 4..5, "  --> p:1:5", " 1 |     ab    c", "   |           ^");
    same("数µ = 数", 6..7, "  --> p:1:4", " 1 | 数µ = 数", "   |     ^");
    same("x 数µ", 2..7, "  --> p:1:3", " 1 | x 数µ", "   |   ^^^");
    same("a\u{1b}[1mb", 2..3, "  --> p:1:3", " 1 | a\u{fffd}[1mb", "   |   ^");
    // Inside a character, and past the end.
    same("数x", 1..1, "  --> p:1:1", " 1 | 数x", "   | ^");
    same("x", 70..80, "  --> p:1:2", " 1 | x", "   |  ^");
    let many = "a\n".repeat(11) + "b";
    same(&many, 22..23, "   --> p:12:1", " 12 | b", "    | ^");
    let long = "x".repeat(1_000_000);
    let (place, line, marks) = lines(&long, 500_000..500_001);
    assert_eq!(place, "  --> p:1:500001");
    assert!(line.len() < 200 && marks.ends_with(" ^") && marks.len() < 100);
}

#[test]
fn nearest_names() {
    let names = ["gaussian_filter", "median_filter", "label", "threshold_otsu", "gaussian_gradient_magnitude", "sum"];
    let near = |name| nearest(name, names.into_iter());
    assert_eq!(near("gausian_filter"), Some("gaussian_filter"));
    assert_eq!(near("Label"), Some("label"));
    assert_eq!(near("lable"), Some("label"));
    assert_eq!(near("gaussian"), Some("gaussian_filter"));
    assert_eq!(near("otsu"), Some("threshold_otsu"));
    assert_eq!(near("x"), None);
    assert_eq!(near("skeletonize"), None);
    assert_eq!(near(&"x".repeat(1_000_000)), None);
}

#[test]
fn implicit_input() {
    // As the registry would for filters: no positional argument, none called `input`.
    let missing = |call: &Call| call.name.text.starts_with('f') && call.args.iter().all(|a| a.name.is_some());
    let given = |text: &str| with_implicit_input(program(text), missing).to_string();
    assert_eq!(given("f(sigma=2)"), "input |> f(sigma=2)");
    assert_eq!(given("f(sigma=2) |> g(1) |> h"), "input |> f(sigma=2) |> g(1) |> h()");
    assert_eq!(given("k = 2; f(s=k)"), "k = 2\ninput |> f(s=k)");
    for same in [
        "input",
        "input |> f()",
        "x = f(k=2)",
        "f(x)",
        "disk(2) |> f()",
        "f() > 2",
        "k = f(input)\nf()",
        "input = 1\nf()",
    ] {
        assert_eq!(given(same), same);
    }
}

/// What the smallest main thread (Windows) has.
const SMALL_STACK: usize = 1 << 20;

#[test]
fn depth_and_length_never_overflow_the_stack() {
    // At 50 bytes of stack for each this would already overflow, and debug builds are slow.
    let many = |piece: &str| piece.repeat(20_000);
    let deep = |levels: usize| "f([-(x[1|".repeat(levels);
    let fits = [
        "(".repeat(MAX_DEPTH - 1) + "a" + &")".repeat(MAX_DEPTH - 1),
        "-".repeat(MAX_DEPTH - 1) + "a",
        "a+".repeat(MAX_DEPTH - 1) + "a",
        "[".repeat(MAX_DEPTH - 1) + &"]".repeat(MAX_DEPTH - 1),
        format!("[{}]", many("1, ")),
        many("a = 1\n"),
        deep(21) + "1" + &"])])".repeat(21),
    ];
    let refused = [
        many("("),
        many("["),
        many("f("),
        many("x["),
        many("-"),
        many("~a**-"),
        many("-") + "a",
        many("a+") + "a",
        many("a**") + "a",
        many("a|>") + "a",
        "a".to_owned() + &many(".a"),
        "a".to_owned() + &many("[0]"),
        many("a<") + "a",
        many("a&b<") + "a",
        many("1|(a^(b&(c+(d*(-(f(x=["),
        deep(10_000),
        "(".repeat(MAX_DEPTH) + "a",
        "-".repeat(MAX_DEPTH) + "a",
        "a+".repeat(100_000) + "a",
        "-".repeat(100_000) + "a",
        "a+".repeat(MAX_DEPTH) + "a",
    ];
    let check = move || {
        for text in fits {
            let read = program(&text);
            assert_eq!(read.clone(), read);
            assert_eq!(program(&read.to_string()).statements.len(), read.statements.len());
            assert!(!format!("{read:?}").is_empty());
        }
        for text in refused {
            let error = parse(&text).expect_err("too deep");
            assert!(error.render("p", &text).len() < 2000);
        }
    };
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK);
    thread.spawn(check).unwrap().join().unwrap();
}

fn bare(text: &str) -> Name {
    let text = text.to_owned();
    Name { text, span: 0..0 }
}

fn placeless(kind: ExprKind) -> Expr {
    Expr { kind, span: 0..0 }
}

/// Every place set to nothing, so that trees compare by what they say.
fn without_places(expr: Expr) -> Expr {
    let boxed = |expr: Box<Expr>| Box::new(without_places(*expr));
    let name = |name: Name| bare(&name.text);
    placeless(match expr.kind {
        ExprKind::List(items) => ExprKind::List(items.into_iter().map(without_places).collect()),
        ExprKind::Unary { op, operand } => ExprKind::Unary { op, operand: boxed(operand) },
        ExprKind::Binary { op, left, right } => ExprKind::Binary { op, left: boxed(left), right: boxed(right) },
        ExprKind::Attribute { base, name: attribute } => {
            ExprKind::Attribute { base: boxed(base), name: name(attribute) }
        }
        ExprKind::Call(call) => ExprKind::Call(Call {
            name: name(call.name),
            args: call
                .args
                .into_iter()
                .map(|arg| Argument { name: arg.name.map(name), value: without_places(arg.value) })
                .collect(),
            piped: call.piped,
            span: 0..0,
        }),
        ExprKind::Select { base, selectors } => ExprKind::Select {
            base: boxed(base),
            selectors: selectors
                .into_iter()
                .map(|selector| Selector {
                    axis: selector.axis.map(name),
                    pick: match selector.pick {
                        Pick::Index(index) => Pick::Index(without_places(index)),
                        Pick::Slice { start, stop, step } => {
                            Pick::Slice { start: start.map(boxed), stop: stop.map(boxed), step: step.map(boxed) }
                        }
                    },
                    span: 0..0,
                })
                .collect(),
        },
        leaf @ (ExprKind::Literal(_) | ExprKind::Name(_)) => leaf,
    })
}

fn any_name() -> impl Strategy<Value = Name> {
    prop::sample::select(vec!["a", "x", "input", "_k9", "größe", "if"]).prop_map(bare)
}

fn any_literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<u64>().prop_map(|value| Literal::Int(value.into())),
        (0..5i128).prop_map(Literal::Int),
        prop::num::f64::POSITIVE.prop_filter("finite", |v| v.is_finite()).prop_map(Literal::Float),
        any::<String>().prop_map(Literal::Text),
        any::<bool>().prop_map(Literal::Bool),
        Just(Literal::None),
    ]
}

fn any_pick(part: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Pick> {
    let bound = prop::option::of(part.clone().prop_map(Box::new));
    let slice = (bound.clone(), bound.clone(), bound);
    prop_oneof![part.prop_map(Pick::Index), slice.prop_map(|(start, stop, step)| Pick::Slice { start, stop, step }),]
}

fn any_call(part: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Call> {
    let positional = prop::collection::vec(part.clone(), 0..3);
    let keywords = prop::collection::btree_map("k[a-z]", part, 0..3);
    (any_name(), positional, keywords, any::<bool>()).prop_map(|(name, positional, keywords, pipe)| {
        let piped = pipe && !positional.is_empty();
        let positional = positional.into_iter().map(|value| Argument { name: None, value });
        let keywords = keywords.into_iter().map(|(name, value)| Argument { name: Some(bare(&name)), value });
        let args = positional.chain(keywords).collect();
        Call { name, args, piped, span: 0..0 }
    })
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf =
        prop_oneof![any_literal().prop_map(ExprKind::Literal), any_name().prop_map(|name| ExprKind::Name(name.text)),];
    leaf.prop_map(placeless).prop_recursive(6, 60, 4, |part| {
        let boxed = part.clone().prop_map(Box::new);
        let selector = (prop::option::of(any_name()), any_pick(part.clone()));
        let selector = selector.prop_map(|(axis, pick)| Selector { axis, pick, span: 0..0 });
        let selectors = prop::collection::vec(selector, 1..3);
        prop_oneof![
            prop::collection::vec(part.clone(), 0..4).prop_map(ExprKind::List),
            any_call(part.clone()).prop_map(ExprKind::Call),
            (prop::sample::select(UnaryOp::ALL.to_vec()), boxed.clone())
                .prop_map(|(op, operand)| ExprKind::Unary { op, operand }),
            (prop::sample::select(BinaryOp::ALL.to_vec()), boxed.clone(), boxed.clone())
                .prop_map(|(op, left, right)| ExprKind::Binary { op, left, right }),
            (boxed.clone(), selectors).prop_map(|(base, selectors)| ExprKind::Select { base, selectors }),
            (boxed, any_name()).prop_map(|(base, name)| ExprKind::Attribute { base, name }),
        ]
        .prop_map(placeless)
    })
}

/// Negative numbers beyond `i64` are refused, so such a tree has no text.
fn has_text(expr: &Expr) -> bool {
    let mut fits = true;
    expr.visit(&mut |part| {
        if let ExprKind::Unary { op: UnaryOp::Neg, operand } = &part.kind
            && let ExprKind::Literal(Literal::Int(value)) = operand.kind
        {
            fits &= -value >= i64::MIN.into();
        }
    });
    fits
}

const SOUP: [&str; 52] = [
    "|>", "**", "//", "<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=",
    "!", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "\n", "\r\n", "#", " ", "\t", "a", "f(", "x=", "input",
    "if", "and", "1", "0x", "1e-3", ".5", "\"s\"", "'", "\\", "µ", "“",
];

fn check_errors(text: &str) {
    match parse(text) {
        Ok(read) => {
            let again = program(&read.to_string()).to_string();
            assert_eq!(again, read.to_string());
            let _ = with_implicit_input(read, |_| true).to_string();
        }
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end <= text.len());
            assert!(text.get(error.span.clone()).is_some());
            assert!(error.render("pipeline", text).lines().count() >= 5);
            assert!(!error.message.contains('\n'));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check_errors(&text);
        let _ = parse_literal(&text);
    }

    #[test]
    fn token_soup_is_read_or_refused(pieces in prop::collection::vec(prop::sample::select(SOUP.to_vec()), 0..60)) {
        check_errors(&pieces.concat());
        check_errors(&pieces.join(" "));
    }

    #[test]
    fn drawing_never_panics(text in any::<String>(), start in 0..200usize, end in 0..200usize) {
        let _ = Diagnostic::new("m", start..end).render("p", &text);
    }

    #[test]
    fn suggestions_never_panic(name in any::<String>(), other in any::<String>()) {
        nearest(&name, [other.as_str()].into_iter());
    }

    #[test]
    fn what_is_printed_reads_the_same(tree in any_expr().prop_filter("has text", has_text)) {
        let text = tree.to_string();
        prop_assert_eq!(without_places(expr(&text)), tree, "{}", text);
    }
}

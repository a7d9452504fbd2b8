//! Sorting networks as lists of minima and maxima, cut down to what one rank needs.

/// One instruction: the smaller and the larger of two rows of values, `shift` steps further along the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    /// The operands: row and shift.
    pub a: (u16, u16),
    pub b: (u16, u16),
    /// Where the smaller goes.
    pub low: Option<u16>,
    /// Where the larger goes.
    pub high: Option<u16>,
    /// The steps by which the results reach beyond the outputs.
    pub extent: u16,
}

/// A straight-line program over rows of values.
#[derive(Debug)]
pub(super) struct Program {
    pub code: Vec<Instruction>,
    /// The rows it works in.
    pub rows: usize,
    /// The steps by which inputs reach beyond the outputs.
    pub extent: usize,
    /// The row of every input, in order; `None` where it is not wanted.
    pub inputs: Vec<Option<u16>>,
    /// The row of the result, and its shift.
    pub output: (u16, u16),
}

/// A value as seen from an output: a node and how many steps further along the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wire {
    node: usize,
    shift: usize,
}

impl Wire {
    fn shifted(self, by: usize) -> Wire {
        Wire { shift: self.shift + by, ..self }
    }
}

/// A sorted list of values.
type Sorted = Vec<Wire>;

#[derive(Clone, Copy)]
enum Node {
    Input,
    Low(Wire, Wire),
    High(Wire, Wire),
}

struct Builder {
    nodes: Vec<Node>,
}

/// The program for a window of `columns` columns of `height` elements; the inputs are the elements of the first column, in
/// any order.
pub(super) fn build(height: usize, columns: usize, rank: usize) -> Program {
    let mut builder = Builder { nodes: vec![Node::Input; height] };
    let inputs = (0..height).map(|node| vec![Wire { node, shift: 0 }]).collect();
    let result = if columns == 1 {
        builder.select_of(inputs, rank)
    } else {
        let column = builder.sort(inputs);
        builder.select_of_columns(column, columns, rank)
    };
    builder.program(height, result)
}

impl Builder {
    fn push(&mut self, node: Node) -> Wire {
        self.nodes.push(node);
        Wire { node: self.nodes.len() - 1, shift: 0 }
    }

    /// The smaller and the larger of two values.
    fn exchange(&mut self, a: Wire, b: Wire) -> (Wire, Wire) {
        let low = self.push(Node::Low(a, b));
        let high = self.push(Node::High(a, b));
        (low, high)
    }

    /// Merges lists by pairs until one is left.
    fn sort(&mut self, mut lists: Vec<Sorted>) -> Sorted {
        while lists.len() > 1 {
            lists = self.merge_pairs(lists);
        }
        lists.pop().unwrap_or_default()
    }

    fn merge_pairs(&mut self, lists: Vec<Sorted>) -> Vec<Sorted> {
        lists.chunks(2).map(|pair| if let [a, b] = pair { self.merge(a, b) } else { pair[0].clone() }).collect()
    }

    /// Batcher's odd-even merge, for lists of any lengths.
    fn merge(&mut self, a: &[Wire], b: &[Wire]) -> Sorted {
        match (a, b) {
            ([], rest) | (rest, []) => rest.to_vec(),
            (&[a], &[b]) => {
                let (low, high) = self.exchange(a, b);
                vec![low, high]
            }
            _ => {
                let every_other =
                    |list: &[Wire], first: usize| -> Sorted { list.iter().skip(first).step_by(2).copied().collect() };
                let even = self.merge(&every_other(a, 0), &every_other(b, 0));
                let odd = self.merge(&every_other(a, 1), &every_other(b, 1));
                let mut merged = vec![even[0]];
                for i in 0..odd.len().max(even.len() - 1) {
                    match (odd.get(i), even.get(i + 1)) {
                        (Some(&x), Some(&y)) => {
                            let (low, high) = self.exchange(x, y);
                            merged.extend([low, high]);
                        }
                        (x, y) => merged.extend(x.or(y)),
                    }
                }
                merged
            }
        }
    }

    /// The element of that rank in two sorted lists: the least, over all ways to take `rank + 1` elements from their
    /// starts, of the largest taken.
    fn select(&mut self, a: &[Wire], b: &[Wire], rank: usize) -> Wire {
        let taken = rank + 1;
        let mut least = None;
        for from_a in taken.saturating_sub(b.len())..=taken.min(a.len()) {
            let from_b = taken - from_a;
            let largest = match (from_a, from_b) {
                (0, j) => b[j - 1],
                (i, 0) => a[i - 1],
                (i, j) => self.push(Node::High(a[i - 1], b[j - 1])),
            };
            least = Some(match least {
                None => largest,
                Some(other) => self.push(Node::Low(other, largest)),
            });
        }
        least.expect("the rank lies inside the lists")
    }

    /// The element of that rank in many sorted lists.
    fn select_of(&mut self, mut lists: Vec<Sorted>, mut rank: usize) -> Wire {
        while lists.len() > 2 {
            // Long lists and short ones do not mix: neighbours are about as long.
            lists = self.merge_pairs(lists);
            let total = |lists: &[Sorted]| lists.iter().map(Vec::len).sum::<usize>();
            loop {
                let n = total(&lists);
                let cuts: Vec<_> = lists.iter().map(|list| candidates(list.len(), n, rank)).collect();
                rank -= cuts.iter().map(|cut| cut.start).sum::<usize>();
                lists = lists.iter().zip(cuts).map(|(list, cut)| list[cut].to_vec()).collect();
                if total(&lists) == n {
                    break;
                }
            }
            lists.retain(|list| !list.is_empty());
        }
        match &lists[..] {
            [one] => one[rank],
            [a, b] => self.select(a, b, rank),
            _ => unreachable!("the element looked for is always among the candidates"),
        }
    }

    /// The element of that rank in `count` neighbours of one sorted column. Runs of 2, 4, 8 … columns are merged once and
    /// serve every output that sees them; what is left over of an odd number of runs is `rest`.
    fn select_of_columns(&mut self, column: Sorted, mut count: usize, mut rank: usize) -> Wire {
        let (mut run, mut rest, mut span) = (column, Sorted::new(), 1);
        let shifted = |list: &[Wire], by: usize| -> Sorted { list.iter().map(|w| w.shifted(by)).collect() };
        loop {
            loop {
                let n = count * run.len() + rest.len();
                let (cut, cut_rest) = (candidates(run.len(), n, rank), candidates(rest.len(), n, rank));
                rank -= count * cut.start + cut_rest.start;
                (run, rest) = (run[cut].to_vec(), rest[cut_rest].to_vec());
                if count * run.len() + rest.len() == n {
                    break;
                }
            }
            match count {
                1 => return self.select(&run, &shifted(&rest, span), rank),
                2 if rest.is_empty() => return self.select(&run, &shifted(&run, span), rank),
                _ => {}
            }
            if count % 2 == 1 {
                rest = if rest.is_empty() { run.clone() } else { self.merge(&run, &shifted(&rest, span)) };
            }
            run = self.merge(&run, &shifted(&run, span));
            (count, span) = (count / 2, 2 * span);
        }
    }

    /// The nodes that lead to the result, in rows that are used again when their values are no longer wanted.
    fn program(self, height: usize, result: Wire) -> Program {
        let extents = self.extents(result);
        let last_use = self.last_uses(result, &extents);
        let mut rows = Rows { row_of: vec![None; self.nodes.len()], free: Vec::new(), count: 0 };
        for node in (0..height).filter(|&n| extents[n].is_some()) {
            rows.give(node);
        }
        let inputs = rows.row_of[..height].to_vec();
        let mut code = Vec::new();
        let mut node = height;
        while node < self.nodes.len() {
            let (Node::Low(a, b) | Node::High(a, b)) = self.nodes[node] else { unreachable!("inputs come first") };
            let pair = matches!((self.nodes[node], self.nodes.get(node + 1)),
                (Node::Low(..), Some(&Node::High(c, d))) if (a, b) == (c, d));
            let members = node..node + 1 + usize::from(pair);
            node = members.end;
            let Some(extent) = members.clone().filter_map(|m| extents[m]).max() else { continue };
            let (from_a, from_b) = (rows.operand(a), rows.operand(b));
            for wire in [a, b] {
                if members.contains(&last_use[wire.node]) {
                    rows.take_back(wire.node);
                }
            }
            let (mut low, mut high) = (None, None);
            for member in members.filter(|&m| extents[m].is_some()) {
                let row = rows.give(member);
                match self.nodes[member] {
                    Node::Low(..) => low = Some(row),
                    _ => high = Some(row),
                }
            }
            code.push(Instruction { a: from_a, b: from_b, low, high, extent: extent as u16 });
        }
        let extent = extents[..height].iter().flatten().copied().max().unwrap_or(0);
        Program { code, rows: rows.count, extent, inputs, output: rows.operand(result) }
    }

    /// How far beyond the outputs each node is wanted; `None` where it is not wanted at all.
    fn extents(&self, result: Wire) -> Vec<Option<usize>> {
        let mut extents = vec![None; self.nodes.len()];
        extents[result.node] = Some(result.shift);
        for node in (0..self.nodes.len()).rev() {
            let (Some(own), Node::Low(a, b) | Node::High(a, b)) = (extents[node], self.nodes[node]) else { continue };
            for wire in [a, b] {
                extents[wire.node] = extents[wire.node].max(Some(own + wire.shift));
            }
        }
        extents
    }

    /// The last wanted node that reads each node. Both nodes of an exchange count as its second.
    fn last_uses(&self, result: Wire, extents: &[Option<usize>]) -> Vec<usize> {
        let mut last = vec![usize::MAX; self.nodes.len()];
        for (node, kind) in self.nodes.iter().enumerate().filter(|n| extents[n.0].is_some()) {
            if let &(Node::Low(a, b) | Node::High(a, b)) = kind {
                last[a.node] = node;
                last[b.node] = node;
            }
        }
        last[result.node] = usize::MAX;
        last
    }
}

/// The elements of one of several sorted lists, `n` elements together, that can have that rank.
fn candidates(len: usize, n: usize, rank: usize) -> std::ops::Range<usize> {
    let others = n - len;
    rank.saturating_sub(others).min(len)..len.min(rank + 1)
}

/// Which row holds which node.
struct Rows {
    row_of: Vec<Option<u16>>,
    free: Vec<u16>,
    count: usize,
}

impl Rows {
    fn give(&mut self, node: usize) -> u16 {
        let row = self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            (self.count - 1) as u16
        });
        self.row_of[node] = Some(row);
        row
    }

    fn take_back(&mut self, node: usize) {
        self.free.extend(self.row_of[node].take());
    }

    fn operand(&self, wire: Wire) -> (u16, u16) {
        (self.row_of[wire.node].expect("operands are computed before they are read"), wire.shift as u16)
    }
}

// How the site's search ranks pages: as Sphinx does, but of equal pages lessons come first.
var Scorer = {
  score: ([page, , , , score]) => score + (/\/day\d[^/]*\/\d\d_/.test(page) ? 1 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// The storefront's CloudFront Function, on both of its events: which page an address means, and 404
// for an address that means none. An error page of the distribution could not do it: it would also
// take the place of the API's own 403s and 404s, which share the distribution.
//
// PAGES is written at synthesis: the names of the pages that there are.
var PAGES = {};

// What is no page, beside the assets.
var FILES = { "/config.json": 1, "/prices.json": 1, "/address-formats.json": 1, "/robots.txt": 1 };

// A book's catalogue can be read from two minutes before the book begins, so that pages have it in
// time, and nobody knows the prices of a planned sale earlier.
var CATALOGUE = /^\/catalogues\/([0-9]+)-[0-9a-f]+\.json$/;
var NOTICE_MS = 120000;

function handler(event) {
  return event.context.eventType === "viewer-request" ? found(event.request) : answered(event.response);
}

function found(request) {
  var home = request.uri === "/" || request.uri === "/index.html";
  var name = home ? "index" : request.uri.slice(1);
  if (FILES.hasOwnProperty(request.uri) || mayBeRead(request.uri)) return request;
  request.uri = PAGES.hasOwnProperty(name) ? "/" + name + ".html" : "/not-found.html";
  return request;
}

function mayBeRead(uri) {
  var catalogue = CATALOGUE.exec(uri);
  return catalogue !== null && Date.now() >= Number(catalogue[1]) - NOTICE_MS;
}

// The page for the lost is stored with its status beside it.
function answered(response) {
  var status = response.headers["x-amz-meta-status"];
  if (status) {
    response.statusCode = Number(status.value);
    response.statusDescription = "Not Found";
    delete response.headers["x-amz-meta-status"];
  }
  return response;
}

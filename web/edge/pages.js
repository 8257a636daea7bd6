// The storefront's CloudFront Function, on both of its events: which page an address means, and 404
// for an address that means none. An error page of the distribution could not do it: it would also
// take the place of the API's own 403s and 404s, which share the distribution.
//
// PAGES is written at synthesis: the names of the pages that there are.
var PAGES = {};

function handler(event) {
  return event.context.eventType === "viewer-request" ? found(event.request) : answered(event.response);
}

function found(request) {
  var home = request.uri === "/" || request.uri === "/index.html";
  var name = home ? "index" : request.uri.slice(1);
  if (request.uri === "/config.json") return request;
  request.uri = PAGES.hasOwnProperty(name) ? "/" + name + ".html" : "/not-found.html";
  return request;
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

/** Where the libraries of other people are; the build replaces the name by that of their content. */
export const LIBRARY = "./vendor/oauth4webapi.js";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

/** The REST API, to read and to try. Signed in here is signed in there: the session's cookie goes along. */
SwaggerUI({ url: "/openapi.json", dom_id: "#api", deepLinking: true, persistAuthorization: false, validatorUrl: null });

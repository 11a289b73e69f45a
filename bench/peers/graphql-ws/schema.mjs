/** A query that works on a request, as a GraphQL schema. */
import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { work } from "../work.mjs";

const request = { type: new GraphQLNonNull(GraphQLString) };

export const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: "Query",
    fields: {
      work: { type: GraphQLString, args: { request }, resolve: (_root, args) => work(args.request) },
    },
  }),
});

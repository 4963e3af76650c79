# docker build -t lockkeeper .
# docker run --rm lockkeeper help
# docker run -v "$PWD/cluster.yaml:/etc/lockkeeper.yaml:ro" -v lockkeeper-1:/data lockkeeper \
#   serve --config /etc/lockkeeper.yaml --node 1
#
# In that file, `data` is a directory below /data, and `peer` and `client` are names under which the containers find each
# other (127.0.0.1 means the container itself).

FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Not `npm ci`: see "npm install, not npm ci" in docs/decisions.md.
RUN npm install --no-save --no-audit --no-fund
COPY tsconfig.base.json tsconfig.json ./
COPY raft ./raft
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-save --no-audit --no-fund

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/src/api/lockkeeper.proto ./src/api/lockkeeper.proto
COPY cluster-configs ./cluster-configs
COPY scripts/container-start ./scripts/container-start
COPY LICENSE ./
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# 7101 for clients, 7201 for the other nodes: the ports of cluster-configs/.
EXPOSE 7101 7201
# Healthy: a leader is known, so that locks can be taken. Set LOCKKEEPER_ADDRESSES to the `client` address of this node.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["node", "dist/src/cli/main.js", "status"]
# With a heap for the memory that the container may use (docker run --memory).
ENTRYPOINT ["/app/scripts/container-start"]

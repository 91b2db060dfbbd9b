# The command with git, for CI jobs and for those without Node:
#   docker run --rm --volume "$PWD:/work" --user "$(id -u)" IMAGE modpress plan
# There is no entry point of its own, since GitLab runs a shell in the image of a job.

FROM --platform=$BUILDPLATFORM node:22-slim AS build
# The build runs the command once, so that it comes with the code that Node makes of it, and starts sooner.
RUN apt-get update \
  && apt-get install -y --no-install-recommends git \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --no-audit --no-fund
COPY . .
RUN npm run build && npx tsx scripts/portable.ts /portable

FROM node:22-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git openssh-client \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /portable /opt/modpress
RUN chmod 755 /opt/modpress/dist/bin/modpress.js \
  && ln -s /opt/modpress/dist/bin/modpress.js /usr/local/bin/modpress
USER node
WORKDIR /work
CMD ["modpress", "--help"]

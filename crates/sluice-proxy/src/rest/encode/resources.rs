//! What of each resource leaves, by its name in BigQuery's document: `name` plain, `name{}` a map,
//! `name{Other}` a map of resources, `name(...)` an object or a list of them, `name@Other` a resource.
//!
//! Left out on purpose: query plans (their steps hold literals of views and row policies), errors (written out of what may be told), statistics
//! of models and of their training, links.

pub const RESOURCES: &[(&str, &str)] = &[
    (
        "Dataset",
        "kind etag id selfLink datasetReference@DatasetReference friendlyName description labels{} location type creationTime lastModifiedTime
        access(role userByEmail groupByEmail domain specialGroup iamMember view@TableReference routine@RoutineReference
            dataset(dataset@DatasetReference targetTypes) condition(expression title description location))
        defaultTableExpirationMs defaultPartitionExpirationMs defaultCollation defaultRoundingMode maxTimeTravelHours storageBillingModel
        isCaseInsensitive satisfiesPzi satisfiesPzs defaultEncryptionConfiguration(kmsKeyName) tags(tagKey tagValue) resourceTags{}
        linkedDatasetSource(sourceDataset@DatasetReference) linkedDatasetMetadata(linkState) externalDatasetReference(externalSource connection)
        restrictions(type) catalogSource",
    ),
    ("DatasetList", "kind etag nextPageToken unreachable
        datasets(kind id datasetReference@DatasetReference friendlyName labels{} location type)"),
    ("DatasetReference", "projectId datasetId"),
    ("GetServiceAccountResponse", "kind email"),
    (
        "Job",
        "kind etag id selfLink user_email principal_subject jobReference@JobReference configuration@JobConfiguration statistics@JobStatistics
        status(state) jobCreationReason(code)",
    ),
    (
        "JobConfiguration",
        "jobType dryRun jobTimeoutMs labels{} maxSlots reservation
        query(query useLegacySql priority createDisposition writeDisposition destinationTable@TableReference defaultDataset@DatasetReference
            parameterMode queryParameters@QueryParameter maximumBytesBilled maximumBillingTier useQueryCache allowLargeResults flattenResults
            schemaUpdateOptions timePartitioning@TimePartitioning rangePartitioning@RangePartitioning clustering(fields)
            destinationEncryptionConfiguration(kmsKeyName) connectionProperties(key value) createSession continuous
            scriptOptions(statementTimeoutMs statementByteBudget keyResultStatement))
        load(sourceUris sourceFormat destinationTable@TableReference createDisposition writeDisposition schema@TableSchema autodetect encoding
            fieldDelimiter quote skipLeadingRows nullMarker nullMarkers allowJaggedRows allowQuotedNewlines ignoreUnknownValues maxBadRecords
            projectionFields schemaUpdateOptions timePartitioning@TimePartitioning rangePartitioning@RangePartitioning clustering(fields)
            destinationEncryptionConfiguration(kmsKeyName) useAvroLogicalTypes hivePartitioningOptions(mode sourceUriPrefix requirePartitionFilter fields)
            decimalTargetTypes parquetOptions(enumAsString enableListInference mapTargetType) jsonExtension preserveAsciiControlCharacters
            destinationTableProperties(friendlyName description labels{} expirationTime) connectionProperties(key value) createSession
            columnNameCharacterMap dateFormat datetimeFormat timeFormat timestampFormat timeZone fileSetSpecType referenceFileSchemaUri
            sourceColumnMatch timestampTargetPrecision)
        copy(sourceTable@TableReference sourceTables@TableReference destinationTable@TableReference createDisposition writeDisposition operationType
            destinationEncryptionConfiguration(kmsKeyName) destinationExpirationTime)
        extract(sourceTable@TableReference sourceModel(projectId datasetId modelId) destinationUri destinationUris destinationFormat compression
            fieldDelimiter printHeader useAvroLogicalTypes modelExtractOptions(trialId) nativeGeographyExportEnabled)",
    ),
    ("JobReference", "projectId jobId location"),
    (
        "JobStatistics",
        "creationTime startTime endTime totalBytesProcessed totalSlotMs finalExecutionDurationMs completionRatio numChildJobs parentJobId
        quotaDeferments reservation_id reservationUsage(name slotMs) edition sessionInfo(sessionId) transactionInfo(transactionId)
        scriptStatistics(evaluationKind stackFrames(startLine startColumn endLine endColumn)) rowLevelSecurityStatistics(rowLevelSecurityApplied) dataMaskingStatistics(dataMaskingApplied)
        query(statementType cacheHit billingTier totalBytesProcessed totalBytesBilled totalBytesProcessedAccuracy
            totalSlotMs estimatedBytesProcessed transferredBytes referencedTables@TableReference referencedRoutines@RoutineReference
            schema@TableSchema numDmlAffectedRows dmlStats@DmlStatistics undeclaredQueryParameters@QueryParameter
            ddlOperationPerformed ddlTargetTable@TableReference ddlDestinationTable@TableReference ddlTargetRoutine@RoutineReference
            ddlTargetDataset@DatasetReference ddlTargetRowAccessPolicy(projectId datasetId tableId policyId) ddlAffectedRowAccessPolicyCount
            dclTargetTable@TableReference dclTargetView@TableReference dclTargetDataset@DatasetReference reservationUsage(name slotMs)
            exportDataStatistics(fileCount rowCount) loadQueryStatistics(inputFiles inputFileBytes outputRows outputBytes badRecords)
            biEngineStatistics(biEngineMode accelerationMode) timeline@QueryTimelineSample)
        load(inputFiles inputFileBytes outputRows outputBytes badRecords timeline@QueryTimelineSample)
        copy(copiedRows copiedLogicalBytes remoteDestinationRegion)
        extract(destinationUriFileCounts inputBytes timeline@QueryTimelineSample)",
    ),
    ("DmlStatistics", "insertedRowCount deletedRowCount updatedRowCount dmlMode"),
    ("QueryTimelineSample", "elapsedMs totalSlotMs pendingUnits completedUnits activeUnits estimatedRunnableUnits shuffleRamUsageRatio"),
    ("QueryParameter", "name parameterType@QueryParameterType parameterValue@QueryParameterValue"),
    ("QueryParameterType", "type timestampPrecision arrayType@QueryParameterType rangeElementType@QueryParameterType
        structTypes(name description type@QueryParameterType)"),
    ("QueryParameterValue", "value arrayValues@QueryParameterValue structValues{QueryParameterValue} rangeValue(start@QueryParameterValue end@QueryParameterValue)"),
    (
        "Model",
        "etag modelReference(projectId datasetId modelId) friendlyName description labels{} location creationTime lastModifiedTime expirationTime
        modelType encryptionConfiguration(kmsKeyName) featureColumns@StandardSqlField labelColumns@StandardSqlField
        defaultTrialId bestTrialId optimalTrialIds",
    ),
    ("ListModelsResponse", "nextPageToken models@Model"),
    ("Policy", "version etag bindings(role members condition(expression title description location))
        auditConfigs(service auditLogConfigs(logType exemptedMembers))"),
    ("ProjectList", "kind etag nextPageToken totalItems projects(kind id numericId friendlyName projectReference(projectId))"),
    // What stands around rows, in all three answers that have rows.
    (
        "QueryResponse",
        "kind schema@TableSchema jobReference@JobReference jobComplete totalRows pageToken totalBytesProcessed totalBytesBilled totalSlotMs cacheHit
        numDmlAffectedRows dmlStats@DmlStatistics sessionInfo(sessionId) queryId location creationTime startTime endTime statementType
        jobCreationReason(code)",
    ),
    ("GetQueryResultsResponse", "kind schema@TableSchema jobReference@JobReference jobComplete totalRows pageToken totalBytesProcessed cacheHit
        numDmlAffectedRows"),
    ("TableDataList", "kind totalRows pageToken"),
    (
        "Routine",
        "etag routineReference@RoutineReference routineType language creationTime lastModifiedTime description definitionBody
        arguments(name argumentKind mode isAggregate dataType@StandardSqlDataType tableType(columns@StandardSqlField))
        returnType@StandardSqlDataType returnTableType(columns@StandardSqlField) importedLibraries determinismLevel strictMode securityMode
        dataGovernanceType remoteFunctionOptions(endpoint connection maxBatchingRows userDefinedContext{})
        pythonOptions(entryPoint packages) externalRuntimeOptions(containerMemory containerCpu runtimeConnection maxBatchingRows runtimeVersion)
        sparkOptions(connection runtimeVersion containerImage properties{} mainFileUri pyFileUris jarUris fileUris archiveUris mainClass)",
    ),
    ("ListRoutinesResponse", "nextPageToken routines@Routine"),
    ("RoutineReference", "projectId datasetId routineId"),
    ("RowAccessPolicy", "etag rowAccessPolicyReference(projectId datasetId tableId policyId) filterPredicate creationTime lastModifiedTime grantees"),
    ("ListRowAccessPoliciesResponse", "nextPageToken rowAccessPolicies@RowAccessPolicy"),
    ("StandardSqlDataType", "typeKind arrayElementType@StandardSqlDataType rangeElementType@StandardSqlDataType structType(fields@StandardSqlField)"),
    ("StandardSqlField", "name type@StandardSqlDataType"),
    (
        "Table",
        "kind etag id selfLink tableReference@TableReference friendlyName description labels{} type location creationTime lastModifiedTime
        expirationTime schema@TableSchema timePartitioning@TimePartitioning rangePartitioning@RangePartitioning clustering(fields)
        requirePartitionFilter partitionDefinition(partitionedColumn(field)) numBytes numRows numLongTermBytes numPhysicalBytes numPartitions
        numActiveLogicalBytes numLongTermLogicalBytes numTotalLogicalBytes numActivePhysicalBytes numLongTermPhysicalBytes numTotalPhysicalBytes
        numTimeTravelPhysicalBytes numCurrentPhysicalBytes streamingBuffer(estimatedBytes estimatedRows oldestEntryTime)
        view(query useLegacySql useExplicitColumnNames) materializedView(query enableRefresh refreshIntervalMs lastRefreshTime
            allowNonIncrementalDefinition maxStaleness)
        encryptionConfiguration(kmsKeyName) snapshotDefinition(baseTableReference@TableReference snapshotTime)
        cloneDefinition(baseTableReference@TableReference cloneTime) defaultCollation defaultRoundingMode maxStaleness managedTableType
        tableConstraints(primaryKey(columns) foreignKeys(name referencedTable(projectId datasetId tableId) columnReferences(referencingColumn referencedColumn)))
        externalDataConfiguration(sourceUris sourceFormat autodetect compression connectionId ignoreUnknownValues maxBadRecords schema@TableSchema
            hivePartitioningOptions(mode sourceUriPrefix requirePartitionFilter fields) csvOptions(fieldDelimiter skipLeadingRows quote
            allowQuotedNewlines allowJaggedRows encoding nullMarker) googleSheetsOptions(range skipLeadingRows) metadataCacheMode objectMetadata)
        biglakeConfiguration(connectionId storageUri fileFormat tableFormat) tableReplicationInfo(sourceTable@TableReference replicationIntervalMs
            replicatedSourceLastRefreshTime replicationStatus) replicas@TableReference restrictions(type) resourceTags{}",
    ),
    ("TableList", "kind etag nextPageToken totalItems tables(kind id tableReference@TableReference friendlyName type labels{} creationTime expirationTime
        timePartitioning@TimePartitioning rangePartitioning@RangePartitioning clustering(fields) requirePartitionFilter view(useLegacySql))"),
    ("TableReference", "projectId datasetId tableId"),
    ("TableSchema", "fields@TableFieldSchema"),
    (
        "TableFieldSchema",
        "name type mode fields@TableFieldSchema description policyTags(names) dataPolicies(name) maxLength precision scale timestampPrecision
        roundingMode collation defaultValueExpression rangeElementType(type)",
    ),
    // Texts of errors in rows that were sent: they repeat what the caller sent itself.
    ("TableDataInsertAllResponse", "kind insertErrors(index errors(reason location message debugInfo))"),
    ("TestIamPermissionsResponse", "permissions"),
    ("TimePartitioning", "type field expirationMs requirePartitionFilter"),
    ("RangePartitioning", "field range(start end interval)"),
];
